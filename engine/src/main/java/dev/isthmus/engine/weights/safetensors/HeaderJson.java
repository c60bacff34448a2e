package dev.isthmus.engine.weights.safetensors;

import com.fasterxml.jackson.core.JsonToken;
import dev.isthmus.engine.files.Quote;
import dev.isthmus.engine.files.StrictJson;
import dev.isthmus.engine.weights.StoredType;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * The JSON of a safetensors header, accepted exactly where serde's derived {@code Deserialize} of the Rust library
 * accepts it. That includes two forms that nobody writes but the Rust library reads: a tensor as the array
 * {@code ["F32",[1],[0,4]]} and a type as the object {@code {"F32":null}}.
 *
 * @param entries the tensors in the order of the text
 * @param metadata {@code __metadata__}, empty where it is absent or null; of a repeated key the last value
 * @param duplicate the first tensor name that appears twice, null if none does
 */
record HeaderJson(List<Entry> entries, Map<String, String> metadata, String duplicate) {

    private static final String METADATA = "__metadata__";
    private static final List<String> FIELDS = List.of("dtype", "shape", "data_offsets");

    /** One tensor as written; dimensions and offsets are unsigned 64-bit numbers, relative to the data. */
    record Entry(String name, StoredType type, long[] dims, long begin, long end) {}

    /** Parses valid UTF-8. */
    static HeaderJson parse(byte[] utf8) throws StrictJson.Fault {
        try (StrictJson json = new StrictJson(utf8)) {
            List<Entry> entries = new ArrayList<>();
            Set<String> names = new HashSet<>();
            Map<String, String> metadata = null;
            String duplicate = null;
            json.expect(JsonToken.START_OBJECT, "the header");
            while (json.next() == JsonToken.FIELD_NAME) {
                String name = json.text();
                if (!name.equals(METADATA)) {
                    entries.add(tensor(json, name));
                    duplicate = !names.add(name) && duplicate == null ? name : duplicate;
                } else if (metadata == null) {
                    metadata = metadata(json);
                } else {
                    throw json.fault(METADATA + " appears twice");
                }
            }
            json.expectEnd();
            return new HeaderJson(entries, metadata == null ? Map.of() : metadata, duplicate);
        }
    }

    private static Map<String, String> metadata(StrictJson json) throws StrictJson.Fault {
        Map<String, String> metadata = new LinkedHashMap<>();
        JsonToken token = json.next();
        if (token == JsonToken.VALUE_NULL) {
            return metadata;
        }
        json.require(token, JsonToken.START_OBJECT, METADATA);
        while (json.next() == JsonToken.FIELD_NAME) {
            String key = json.text();
            json.expect(JsonToken.VALUE_STRING, METADATA + " " + Quote.of(key));
            metadata.put(key, json.text());
        }
        return metadata;
    }

    private static Entry tensor(StrictJson json, String name) throws StrictJson.Fault {
        String where = "tensor " + Quote.of(name);
        Map<String, Object> fields = new HashMap<>();
        JsonToken token = json.next();
        if (token == JsonToken.START_ARRAY) {
            for (String field : FIELDS) {
                fields.put(field, field(json, field, where));
            }
            json.expect(JsonToken.END_ARRAY, where);
        } else {
            json.require(token, JsonToken.START_OBJECT, where);
            while (json.next() == JsonToken.FIELD_NAME) {
                String field = json.text();
                if (!FIELDS.contains(field)) {
                    json.next();
                    json.skip();
                } else if (fields.put(field, field(json, field, where)) != null) {
                    throw json.fault(where + " has " + field + " twice");
                }
            }
        }
        for (String field : FIELDS) {
            if (!fields.containsKey(field)) {
                throw json.fault(where + " has no " + field);
            }
        }
        long[] offsets = (long[]) fields.get("data_offsets");
        return new Entry(name, (StoredType) fields.get("dtype"), (long[]) fields.get("shape"), offsets[0], offsets[1]);
    }

    private static Object field(StrictJson json, String field, String where) throws StrictJson.Fault {
        String what = field + " of " + where;
        if (field.equals("dtype")) {
            return type(json, what);
        }
        long[] numbers = numbers(json, what);
        if (field.equals("data_offsets") && numbers.length != 2) {
            throw json.fault("expected two numbers for " + what + ", found " + numbers.length);
        }
        return numbers;
    }

    private static StoredType type(StrictJson json, String what) throws StrictJson.Fault {
        JsonToken token = json.next();
        boolean wrapped = token == JsonToken.START_OBJECT;
        if (wrapped) {
            json.expect(JsonToken.FIELD_NAME, what);
        } else {
            json.require(token, JsonToken.VALUE_STRING, what);
        }
        String name = json.text();
        StoredType type = StoredType.named(name);
        if (type == null) {
            throw json.fault("expected one of " + Arrays.stream(StoredType.values())
                    .filter(StoredType::inSafetensors).toList() + " for " + what + ", found " + Quote.of(name));
        }
        if (wrapped) {
            json.expect(JsonToken.VALUE_NULL, what);
            json.expect(JsonToken.END_OBJECT, what);
        }
        return type;
    }

    /** An array of numbers from 0 to 2^64 - 1, written without sign, fraction or exponent. */
    private static long[] numbers(StrictJson json, String what) throws StrictJson.Fault {
        json.expect(JsonToken.START_ARRAY, what);
        long[] numbers = new long[4];
        int count = 0;
        JsonToken token;
        while ((token = json.next()) != JsonToken.END_ARRAY) {
            json.require(token, JsonToken.VALUE_NUMBER_INT, what);
            String text = json.text();
            if (count == numbers.length) {
                numbers = Arrays.copyOf(numbers, 2 * count);
            }
            try {
                numbers[count++] = Long.parseUnsignedLong(text);
            } catch (NumberFormatException e) {
                throw json.fault("expected numbers from 0 to 2^64 - 1 for " + what + ", found "
                        + text.substring(0, Math.min(text.length(), 40)));
            }
        }
        return Arrays.copyOf(numbers, count);
    }
}
