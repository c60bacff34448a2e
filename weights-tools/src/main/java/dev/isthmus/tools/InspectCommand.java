package dev.isthmus.tools;

import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import dev.isthmus.engine.config.Gpt2Config;
import dev.isthmus.engine.errors.EngineException;
import dev.isthmus.engine.weights.Checkpoint;
import dev.isthmus.engine.weights.TensorInfo;
import dev.isthmus.engine.weights.TextFile;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Parameters;

/** Shows what a checkpoint holds. */
@Command(name = "inspect", mixinStandardHelpOptions = true, sortOptions = false,
        versionProvider = IsthmusCommand.Version.class,
        description = "Shows what a model directory or a safetensors file holds: its tensors with their types and"
                + " shapes, the number of parameters and the configuration. No tensor is read.",
        footerHeading = "%n",
        footer = "With --json: path, files, parameters, mask_elements, config (as config.json has it), unsupported (why"
                + " the engine would refuse it, or null) and tensors.")
final class InspectCommand implements Callable<Integer> {

    private static final String CONFIG = "config.json";

    private final Console console;

    @Parameters(paramLabel = "PATH",
            description = "A model directory, a safetensors file, or a name in the local Hugging Face cache.")
    private String path;

    @Mixin
    private OutputFlags output;

    InspectCommand(Console console) {
        this.console = console;
    }

    @Override
    public Integer call() {
        Path found = ModelLoader.locator(console).locate(path);
        try (Checkpoint checkpoint = Checkpoint.open(found)) {
            Path config = found.resolve(CONFIG);
            Optional<String> configText = Files.isRegularFile(config) ? Optional.of(compact(config))
                    : Optional.empty();
            Optional<String> unsupported = Files.isDirectory(found) ? unsupported(found) : Optional.empty();
            if (output.json) {
                Json.object(console.out(), json -> write(json, found, checkpoint, configText, unsupported));
            } else {
                print(found, checkpoint, configText, unsupported);
            }
        }
        return 0;
    }

    private static Optional<String> unsupported(Path directory) {
        try {
            Gpt2Config.read(directory);
            return Optional.empty();
        } catch (EngineException e) {
            return Optional.of(e.getMessage());
        }
    }

    /** The configuration as it stands, less its white space. */
    private static String compact(Path config) {
        StringWriter text = new StringWriter();
        try (JsonParser parser = Json.FACTORY.createParser(TextFile.read(config));
                JsonGenerator json = Json.FACTORY.createGenerator(text)) {
            parser.nextToken();
            json.copyCurrentStructure(parser);
        } catch (IOException e) {
            throw new CommandException(config + ": expected JSON, found something else: " + e.getMessage(), e);
        }
        return text.toString();
    }

    private void print(Path found, Checkpoint checkpoint, Optional<String> config, Optional<String> unsupported) {
        PrintWriter out = console.out();
        out.println(found);
        config.ifPresent(text -> members(text).forEach((name, value) -> out.printf("  %-32s %s%n", name, value)));
        List<TensorInfo> tensors = checkpoint.tensors();
        int width = tensors.stream().mapToInt(tensor -> tensor.name().length()).max().orElse(0);
        for (TensorInfo tensor : tensors) {
            out.printf("%-" + (width + 2) + "s %-5s %s%n", tensor.name(), tensor.type(), tensor.shape());
        }
        Map<String, Long> types = tensors.stream()
                .collect(Collectors.groupingBy(tensor -> tensor.type().name(), TreeMap::new, Collectors.counting()));
        out.printf(Locale.ROOT, "%d tensors (%s), %,d parameters%s, %,d bytes of data%n", tensors.size(),
                types.entrySet().stream().map(type -> type.getValue() + " " + type.getKey())
                        .collect(Collectors.joining(", ")),
                ParameterCount.of(checkpoint), masks(checkpoint) == 0 ? ""
                        : String.format(Locale.ROOT, " (%,d elements of causal masks not counted)",
                                masks(checkpoint)),
                tensors.stream().mapToLong(TensorInfo::bytes).sum());
        unsupported.ifPresent(reason -> out.println("isthmus does not run this model: " + reason));
    }

    private static long masks(Checkpoint checkpoint) {
        return checkpoint.tensors().stream().filter(tensor -> ParameterCount.isBuffer(tensor.name()))
                .mapToLong(tensor -> tensor.shape().elements()).sum();
    }

    /** The members of an object, each value as JSON. */
    private static Map<String, String> members(String text) {
        Map<String, String> members = new java.util.LinkedHashMap<>();
        try (JsonParser parser = Json.FACTORY.createParser(text)) {
            if (parser.nextToken() != JsonToken.START_OBJECT) {
                return Map.of(CONFIG, text);
            }
            while (parser.nextToken() != JsonToken.END_OBJECT) {
                String name = parser.currentName();
                parser.nextToken();
                StringWriter value = new StringWriter();
                try (JsonGenerator json = Json.FACTORY.createGenerator(value)) {
                    json.copyCurrentStructure(parser);
                }
                members.put(name, value.toString());
            }
            return members;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static void write(JsonGenerator json, Path found, Checkpoint checkpoint, Optional<String> config,
            Optional<String> unsupported) throws IOException {
        json.writeStringField("path", found.toString());
        json.writeArrayFieldStart("files");
        for (Path file : checkpoint.files()) {
            json.writeString(file.getFileName().toString());
        }
        json.writeEndArray();
        json.writeNumberField("parameters", ParameterCount.of(checkpoint));
        json.writeNumberField("mask_elements", masks(checkpoint));
        json.writeFieldName("config");
        json.writeRawValue(config.orElse("null"));
        json.writeStringField("unsupported", unsupported.orElse(null));
        json.writeArrayFieldStart("tensors");
        for (TensorInfo tensor : checkpoint.tensors()) {
            json.writeStartObject();
            json.writeStringField("name", tensor.name());
            json.writeStringField("dtype", tensor.type().name());
            json.writeFieldName("shape");
            json.writeArray(tensor.shape().dims(), 0, tensor.shape().rank());
            json.writeNumberField("bytes", tensor.bytes());
            json.writeStringField("file", tensor.file().getFileName().toString());
            json.writeEndObject();
        }
        json.writeEndArray();
    }
}
