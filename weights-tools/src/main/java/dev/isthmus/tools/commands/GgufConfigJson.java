package dev.isthmus.tools.commands;

import com.fasterxml.jackson.core.JsonGenerator;
import dev.isthmus.engine.errors.EngineException;
import dev.isthmus.engine.weights.gguf.GgufHeader;
import dev.isthmus.engine.weights.gguf.GgufValue;
import dev.isthmus.tools.io.Json;
import java.io.IOException;
import java.io.StringWriter;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;

/** The keys of a GGUF file's metadata that hold one value, as JSON. */
final class GgufConfigJson {

    private GgufConfigJson() {}

    /** One JSON object; empty if the header cannot be read. */
    static Optional<String> of(Path file) {
        StringWriter text = new StringWriter();
        try (JsonGenerator json = Json.FACTORY.createGenerator(text)) {
            Map<String, GgufValue> metadata = GgufHeader.read(file).metadata();
            json.writeStartObject();
            for (Map.Entry<String, GgufValue> each : metadata.entrySet()) {
                switch (each.getValue()) {
                    case GgufValue.Text(String value) -> json.writeStringField(each.getKey(), value);
                    case GgufValue.Whole(long value) -> json.writeNumberField(each.getKey(), value);
                    case GgufValue.Real(double value) -> json.writeNumberField(each.getKey(), value);
                    case GgufValue.Truth(boolean value) -> json.writeBooleanField(each.getKey(), value);
                    default -> { }
                }
            }
            json.writeEndObject();
        } catch (EngineException e) {
            return Optional.empty();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return Optional.of(text.toString());
    }
}
