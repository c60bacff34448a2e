package dev.isthmus.tools.parity;

import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import dev.isthmus.tools.io.Json;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;

/**
 * A temporary directory that shows a model's files, with another activation in its config.json. The files are links:
 * a second copy of the weights would be too much.
 */
final class GeluOverlay implements AutoCloseable {

    private static final String CONFIG = "config.json";
    private static final String ACTIVATION = "activation_function";

    private final Path directory;

    private GeluOverlay(Path directory) {
        this.directory = directory;
    }

    static GeluOverlay of(Path model) {
        try {
            GeluOverlay overlay = new GeluOverlay(Files.createTempDirectory("isthmus-parity-"));
            try (Stream<Path> files = Files.list(model)) {
                for (Path file : files.filter(Files::isRegularFile).toList()) {
                    if (!file.endsWith(CONFIG)) {
                        Files.createSymbolicLink(overlay.directory.resolve(file.getFileName()), file.toRealPath());
                    }
                }
                withGelu(model.resolve(CONFIG), overlay.directory.resolve(CONFIG));
            } catch (Throwable failed) {
                overlay.close();
                throw failed;
            }
            return overlay;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    Path directory() {
        return directory;
    }

    private static void withGelu(Path from, Path to) throws IOException {
        try (InputStream in = Files.newInputStream(from);
                OutputStream out = Files.newOutputStream(to);
                JsonParser parser = Json.FACTORY.createParser(in);
                JsonGenerator json = Json.FACTORY.createGenerator(out)) {
            parser.nextToken();
            json.writeStartObject();
            json.writeStringField(ACTIVATION, "gelu");
            while (parser.nextToken() != JsonToken.END_OBJECT) {
                String name = parser.currentName();
                parser.nextToken();
                if (name.equals(ACTIVATION)) {
                    parser.skipChildren();
                } else {
                    json.writeFieldName(name);
                    json.copyCurrentStructure(parser);
                }
            }
            json.writeEndObject();
        }
    }

    @Override
    public void close() {
        try (Stream<Path> files = Files.list(directory)) {
            for (Path file : files.toList()) {
                Files.delete(file);
            }
            Files.delete(directory);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
