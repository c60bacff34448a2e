package dev.isthmus.engine.parity;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** A JSON object of a fixture, with its members by type. */
public record Json(Map<String, Object> members) {

    public static Json read(byte[] utf8) {
        try (JsonParser parser = new JsonFactory().createParser(utf8)) {
            parser.nextToken();
            return (Json) value(parser);
        } catch (IOException e) {
            throw new IllegalArgumentException("not JSON", e);
        }
    }

    private static Object value(JsonParser parser) throws IOException {
        return switch (parser.currentToken()) {
            case START_OBJECT -> {
                Map<String, Object> members = new LinkedHashMap<>();
                while (parser.nextToken() != JsonToken.END_OBJECT) {
                    String name = parser.currentName();
                    parser.nextToken();
                    members.put(name, value(parser));
                }
                yield new Json(members);
            }
            case START_ARRAY -> {
                List<Object> items = new ArrayList<>();
                while (parser.nextToken() != JsonToken.END_ARRAY) {
                    items.add(value(parser));
                }
                yield items;
            }
            case VALUE_STRING -> parser.getText();
            case VALUE_NUMBER_INT -> parser.getLongValue();
            case VALUE_NUMBER_FLOAT -> parser.getDoubleValue();
            case VALUE_TRUE -> true;
            case VALUE_FALSE -> false;
            default -> throw new IllegalArgumentException("unexpected " + parser.currentToken());
        };
    }

    private Object get(String name) {
        Object value = members.get(name);
        if (value == null) {
            throw new IllegalArgumentException("no member " + name + " among " + members.keySet());
        }
        return value;
    }

    public boolean has(String name) {
        return members.containsKey(name);
    }

    public Json object(String name) {
        return (Json) get(name);
    }

    public List<Json> objects(String name) {
        return ((List<?>) get(name)).stream().map(Json.class::cast).toList();
    }

    public String text(String name) {
        return (String) get(name);
    }

    public boolean truth(String name) {
        return (Boolean) get(name);
    }

    public int integer(String name) {
        return Math.toIntExact((Long) get(name));
    }

    public double number(String name) {
        return ((Number) get(name)).doubleValue();
    }

    public int[] integers(String name) {
        return ((List<?>) get(name)).stream().mapToInt(item -> Math.toIntExact((Long) item)).toArray();
    }

    public double[] numbers(String name) {
        return doubles(get(name));
    }

    public double[][] table(String name) {
        return ((List<?>) get(name)).stream().map(Json::doubles).toArray(double[][]::new);
    }

    double[][][] tables(String name) {
        return ((List<?>) get(name)).stream()
                .map(table -> ((List<?>) table).stream().map(Json::doubles).toArray(double[][]::new))
                .toArray(double[][][]::new);
    }

    private static double[] doubles(Object list) {
        return ((List<?>) list).stream().mapToDouble(item -> ((Number) item).doubleValue()).toArray();
    }
}
