package dev.isthmus.tools.parity;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import dev.isthmus.tools.io.Json;
import java.io.IOException;
import java.io.InputStream;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.NoSuchElementException;
import java.util.Set;

/**
 * A JSON value with getters that say what was missing or of another kind, so that a published entry of a shape that
 * is not known fails as it is read and not as it is used.
 */
final class Tree {

    private final Object value;
    private final String path;

    private Tree(Object value, String path) {
        this.value = value;
        this.path = path;
    }

    /** Reads one JSON document. */
    static Tree read(InputStream in, String name) throws IOException {
        try (JsonParser parser = Json.FACTORY.createParser(in)) {
            parser.nextToken();
            return new Tree(value(parser), name);
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
                yield members;
            }
            case START_ARRAY -> {
                List<Object> elements = new ArrayList<>();
                while (parser.nextToken() != JsonToken.END_ARRAY) {
                    elements.add(value(parser));
                }
                yield elements;
            }
            case VALUE_NUMBER_INT -> parser.getLongValue();
            case VALUE_NUMBER_FLOAT -> parser.getDoubleValue();
            case VALUE_STRING -> parser.getText();
            case VALUE_TRUE -> true;
            case VALUE_FALSE -> false;
            case VALUE_NULL -> null;
            default -> throw new IOException("unexpected " + parser.currentToken() + " at "
                    + parser.currentLocation().offsetDescription());
        };
    }

    private <T> T as(Class<T> type) {
        if (!type.isInstance(value)) {
            throw new NoSuchElementException(path + ": expected " + type.getSimpleName() + ", found "
                    + (value == null ? "null" : value.getClass().getSimpleName()));
        }
        return type.cast(value);
    }

    /** Whether an object has a member that is not null. */
    boolean has(String name) {
        return as(Map.class).get(name) != null;
    }

    /** A member of an object. */
    Tree get(String name) {
        return new Tree(as(Map.class).get(name), path + "." + name);
    }

    /** The names of an object's members. */
    @SuppressWarnings("unchecked")
    Set<String> names() {
        return ((Map<String, Object>) as(Map.class)).keySet();
    }

    /** The elements of a list. */
    List<Tree> list() {
        List<?> elements = as(List.class);
        List<Tree> trees = new ArrayList<>(elements.size());
        for (int i = 0; i < elements.size(); i++) {
            trees.add(new Tree(elements.get(i), path + "[" + i + "]"));
        }
        return trees;
    }

    String text() {
        return as(String.class);
    }

    String text(String name, String fallback) {
        return has(name) ? get(name).text() : fallback;
    }

    boolean isText() {
        return value instanceof String;
    }

    boolean flag() {
        return as(Boolean.class);
    }

    double number() {
        return as(Number.class).doubleValue();
    }

    long whole() {
        return as(Long.class);
    }

    int integer() {
        return Math.toIntExact(whole());
    }

    /** A list of numbers. */
    double[] numbers() {
        List<?> elements = as(List.class);
        double[] numbers = new double[elements.size()];
        for (int i = 0; i < numbers.length; i++) {
            numbers[i] = new Tree(elements.get(i), path + "[" + i + "]").number();
        }
        return numbers;
    }

    /** A list of whole numbers. */
    int[] integers() {
        return list().stream().mapToInt(Tree::integer).toArray();
    }

    @Override
    public String toString() {
        return path;
    }
}
