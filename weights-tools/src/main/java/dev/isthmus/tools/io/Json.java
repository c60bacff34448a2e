package dev.isthmus.tools.io;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.core.StreamWriteFeature;
import dev.isthmus.engine.tensor.Shape;
import dev.isthmus.engine.weights.StoredType;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.UncheckedIOException;
import java.util.List;

/** Writes and reads JSON. */
public final class Json {

    /** Makes parsers that refuse a key that appears twice. */
    public static final JsonFactory FACTORY = JsonFactory.builder()
            .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
            .disable(StreamWriteFeature.AUTO_CLOSE_TARGET)
            .build();

    private Json() {}

    /** Writes the members of one object. */
    @FunctionalInterface
    public interface Members {
        /** Writes them. */
        void write(JsonGenerator json) throws IOException;
    }

    /** Writes one object on one line. */
    public static void object(PrintWriter out, Members members) {
        try {
            JsonGenerator json = FACTORY.createGenerator(out);
            json.writeStartObject();
            members.write(json);
            json.writeEndObject();
            json.close();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        out.println();
    }

    /** Writes one list on one line. */
    public static void array(PrintWriter out, Members elements) {
        try {
            JsonGenerator json = FACTORY.createGenerator(out);
            json.writeStartArray();
            elements.write(json);
            json.writeEndArray();
            json.close();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        out.println();
    }

    /** Writes a member that is a list of numbers. */
    public static void numbers(JsonGenerator json, String name, int[] values) throws IOException {
        json.writeFieldName(name);
        json.writeArray(values, 0, values.length);
    }

    /** Writes a member that is a list of numbers. */
    public static void numbers(JsonGenerator json, String name, double[] values) throws IOException {
        json.writeFieldName(name);
        json.writeArray(values, 0, values.length);
    }

    /** Writes the members that say what a tensor is. */
    public static void tensor(JsonGenerator json, String name, StoredType type, Shape shape, long bytes) throws IOException {
        json.writeStringField("name", name);
        json.writeStringField("dtype", type.name());
        json.writeFieldName("shape");
        json.writeArray(shape.dims(), 0, shape.rank());
        json.writeNumberField("bytes", bytes);
    }

    /** Writes a member that is a list of texts. */
    public static void texts(JsonGenerator json, String name, List<String> values) throws IOException {
        json.writeArrayFieldStart(name);
        for (String value : values) {
            json.writeString(value);
        }
        json.writeEndArray();
    }

    /** Writes a member that is a time in seconds, to the microsecond. */
    public static void seconds(JsonGenerator json, String name, double seconds) throws IOException {
        json.writeNumberField(name, Math.round(seconds * 1e6) / 1e6);
    }
}
