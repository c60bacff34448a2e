package dev.isthmus.engine.config;

import com.fasterxml.jackson.core.io.JsonStringEncoder;
import dev.isthmus.engine.errors.UnsupportedModelException;
import dev.isthmus.engine.files.TextFile;
import dev.isthmus.engine.weights.gguf.GgufHeader;
import java.math.BigInteger;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalInt;
import java.util.stream.Collectors;

/**
 * A model directory's {@code generation_config.json}: what transformers' {@code generate} does where its caller says
 * nothing. A key that is null counts as missing. Values are checked when they are asked for, so that a wrong one
 * disturbs only those who use it. Immutable.
 */
public final class GenerationConfig {

    /** The file's name. */
    public static final String FILE = "generation_config.json";

    private final Optional<Path> source;
    private final Map<String, Object> values;

    private GenerationConfig(Optional<Path> source, Map<String, Object> values) {
        this.source = source;
        this.values = values;
    }

    /**
     * Reads a model's generation_config.json.
     *
     * @param model a model directory, or a GGUF file, which has none
     * @return what the file says; nothing where there is none
     * @throws dev.isthmus.engine.errors.CheckpointException if it cannot be read or is not a JSON object
     */
    public static GenerationConfig read(Path model) {
        Path file = model.resolve(FILE);
        if (GgufHeader.isGguf(model) || !Files.exists(file) && !Files.isSymbolicLink(file)) {
            return new GenerationConfig(Optional.empty(), Map.of());
        }
        return new GenerationConfig(Optional.of(file), ConfigJson.parse(TextFile.read(file), file));
    }

    /** {@return the file; empty where there is none} */
    public Optional<Path> source() {
        return source;
    }

    /**
     * {@return whether a key has a value other than null}
     *
     * @param key transformers' name of an option
     */
    public boolean states(String key) {
        return values.get(key) != null;
    }

    /**
     * {@return the value of a key as JSON; an object is not shown}
     *
     * @param key one that is stated
     */
    public String text(String key) {
        return json(values.get(key));
    }

    private static String json(Object value) {
        return switch (value) {
            case String text -> quoted(text);
            case List<?> list -> list.stream().map(GenerationConfig::json).collect(Collectors.joining(", ", "[", "]"));
            case Double number when !Double.isFinite(number) -> quoted(number.toString());
            case ConfigJson.Container object -> quoted(object.toString());
            case Object other -> other.toString();
            case null -> "null";
        };
    }

    private static String quoted(String text) {
        return '"' + String.valueOf(JsonStringEncoder.getInstance().quoteAsString(text)) + '"';
    }

    /**
     * {@return a truth value; empty if it is not stated}
     *
     * @param key transformers' name of an option
     * @throws UnsupportedModelException if it is something else
     */
    public Optional<Boolean> flag(String key) {
        return switch (values.get(key)) {
            case null -> Optional.empty();
            case Boolean flag -> Optional.of(flag);
            default -> throw refuse(key, "true or false");
        };
    }

    /**
     * {@return a whole number; empty if it is not stated}
     *
     * @param key transformers' name of an option
     * @param least the least that it may be
     * @throws UnsupportedModelException if it is something else
     */
    public OptionalInt whole(String key, int least) {
        Object value = values.get(key);
        if (value == null) {
            return OptionalInt.empty();
        }
        if (value instanceof BigInteger number && number.bitLength() < Integer.SIZE && number.intValue() >= least) {
            return OptionalInt.of(number.intValue());
        }
        if (value instanceof Double number && number == Math.rint(number) && number >= least
                && number <= Integer.MAX_VALUE) {
            return OptionalInt.of(number.intValue());
        }
        throw refuse(key, "a whole number from " + least + " to " + Integer.MAX_VALUE);
    }

    /**
     * {@return a finite number; empty if it is not stated}
     *
     * @param key transformers' name of an option
     * @throws UnsupportedModelException if it is something else
     */
    public OptionalDouble real(String key) {
        if (!states(key)) {
            return OptionalDouble.empty();
        }
        double value = values.get(key) instanceof Number number ? number.doubleValue() : Double.NaN;
        if (!Double.isFinite(value)) {
            throw refuse(key, "a finite number");
        }
        return OptionalDouble.of(value);
    }

    /**
     * {@return token ids, of which the file may have one or a list; empty if it is not stated}
     *
     * @param key transformers' name of an option
     * @throws UnsupportedModelException if it is something else
     */
    public Optional<List<Integer>> ids(String key) {
        return switch (values.get(key)) {
            case null -> Optional.empty();
            case List<?> list -> Optional.of(ids(key, list));
            case Object one -> Optional.of(ids(key, List.of(one)));
        };
    }

    /**
     * {@return sequences of token ids; empty if none is stated}
     *
     * @param key transformers' name of an option
     * @throws UnsupportedModelException if it is something else
     */
    public List<List<Integer>> sequences(String key) {
        List<List<Integer>> sequences = new ArrayList<>();
        for (Object each : list(key, "a list of lists of token ids")) {
            if (!(each instanceof List<?> list) || list.isEmpty()) {
                throw refuse(key, "a list of lists of token ids");
            }
            sequences.add(ids(key, list));
        }
        return sequences;
    }

    /**
     * {@return strings, of which the file may have one or a list; empty if none is stated}
     *
     * @param key transformers' name of an option
     * @throws UnsupportedModelException if it is something else
     */
    public List<String> texts(String key) {
        if (values.get(key) instanceof String text) {
            return List.of(text);
        }
        List<String> texts = new ArrayList<>();
        for (Object each : list(key, "a string or a list of strings")) {
            if (!(each instanceof String text)) {
                throw refuse(key, "a string or a list of strings");
            }
            texts.add(text);
        }
        return texts;
    }

    private List<?> list(String key, String supported) {
        return switch (values.get(key)) {
            case null -> List.of();
            case List<?> list -> list;
            default -> throw refuse(key, supported);
        };
    }

    private List<Integer> ids(String key, List<?> list) {
        List<Integer> ids = new ArrayList<>();
        for (Object each : list) {
            if (!(each instanceof BigInteger number)) {
                throw refuse(key, "token ids");
            }
            // An id that no int holds is of no vocabulary, like -1.
            ids.add(number.bitLength() < Integer.SIZE ? number.intValue() : -1);
        }
        return List.copyOf(ids);
    }

    /**
     * {@return the exception for a value that is not supported}
     *
     * @param key the key of the value
     * @param supported what would be
     */
    public UnsupportedModelException refuse(String key, String supported) {
        String value = text(key);
        return new UnsupportedModelException(source.orElseThrow() + ": " + key + " is "
                + (value.length() > 100 ? value.substring(0, 100) + "…" : value).replaceAll("\\p{Cntrl}", "?")
                + ", which is not supported; supported: " + supported);
    }
}
