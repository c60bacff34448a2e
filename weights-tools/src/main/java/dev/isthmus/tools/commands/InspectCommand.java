package dev.isthmus.tools.commands;

import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import dev.isthmus.engine.checkpoint.Checkpoint;
import dev.isthmus.engine.config.Gpt2Config;
import dev.isthmus.engine.config.WeightType;
import dev.isthmus.engine.errors.EngineException;
import dev.isthmus.engine.files.TextFile;
import dev.isthmus.engine.tokenizer.Tokenizer;
import dev.isthmus.engine.weights.TensorInfo;
import dev.isthmus.engine.weights.gguf.GgufHeader;
import dev.isthmus.tools.io.CommandException;
import dev.isthmus.tools.io.Console;
import dev.isthmus.tools.io.Json;
import dev.isthmus.tools.io.Progress;
import dev.isthmus.tools.model.ModelLoader;
import dev.isthmus.tools.parity.ParameterCount;
import dev.isthmus.tools.verify.TensorStatistics;
import dev.isthmus.tools.verify.Verification;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import java.util.function.Function;
import java.util.stream.Collectors;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Shows what a checkpoint holds. */
@Command(name = "inspect", mixinStandardHelpOptions = true, sortOptions = false,
        versionProvider = IsthmusCommand.Version.class,
        description = "Shows what a model directory, a safetensors or a GGUF file holds: its configuration, its tensors with"
                + " their types and shapes, what their numbers are like, the number of parameters, and the memory that"
                + " they need by type.",
        footerHeading = "%n",
        footer = "With --json: path, tokenizer_fault (why the model takes no text, or null), files, parameters,"
                + " mask_elements, memory_bytes (by type of weight), config (as"
                + " config.json or the GGUF file's metadata have it), unsupported (why the engine would refuse it,"
                + " or null), tensors, each with statistics (of the finite numbers; null if it was not read or has none),"
                + " and generation (end_of_text and end_of_text_source, defaults and not_followed of"
                + " generation_config.json; null without a configuration).")
final class InspectCommand implements Callable<Integer> {

    private static final String CONFIG = "config.json";

    private final Console console;

    @Parameters(paramLabel = "PATH",
            description = "A model directory, a safetensors or GGUF file, or a name in the local Hugging Face cache.")
    private String path;

    @Option(names = "--headers", description = "Read the files' headers only, and no numbers.")
    private boolean headers;

    @Mixin
    private OutputFlags output;

    InspectCommand(Console console) {
        this.console = console;
    }

    @Override
    public Integer call() {
        Path found = ModelLoader.locateFile(console, path);
        try (Checkpoint checkpoint = Checkpoint.open(found)) {
            Path config = found.resolve(CONFIG);
            Optional<String> configText = GgufHeader.isGguf(found) ? GgufConfigJson.of(found)
                    : Files.isRegularFile(config) ? Optional.of(compact(config)) : Optional.empty();
            boolean whole = Files.isDirectory(found) || GgufHeader.isGguf(found);
            Optional<String> unsupported = whole ? fault(() -> Gpt2Config.read(found)) : Optional.empty();
            Optional<String> tokenizerFault = whole ? fault(() -> Tokenizer.open(found)) : Optional.empty();
            Optional<GenerationReport> generation = whole && unsupported.isEmpty()
                    ? Optional.of(GenerationReport.of(found)) : Optional.empty();
            Map<String, TensorStatistics> statistics = headers ? Map.of() : statistics(checkpoint);
            if (output.json) {
                Json.object(console.out(), json -> {
                    json.writeStringField("path", found.toString());
                    json.writeStringField("tokenizer_fault", tokenizerFault.orElse(null));
                    write(json, checkpoint, statistics, configText, unsupported);
                    GenerationReport.write(json, generation);
                });
            } else {
                print(found, checkpoint, statistics, configText, unsupported);
                tokenizerFault.ifPresent(reason -> console.out().println("the model takes token ids only, no text: "
                        + reason));
                generation.ifPresent(report -> report.print(console.out()));
            }
        }
        return 0;
    }

    private Map<String, TensorStatistics> statistics(Checkpoint checkpoint) {
        try (Progress progress = Progress.ofBytes(console, "reading")) {
            return Verification.statistics(checkpoint, progress::update);
        }
    }

    /** Why something cannot be read; empty if it can. */
    private static Optional<String> fault(Runnable read) {
        try {
            read.run();
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

    private void print(Path found, Checkpoint checkpoint, Map<String, TensorStatistics> statistics,
            Optional<String> config, Optional<String> unsupported) {
        PrintWriter out = console.out();
        out.println(found);
        config.ifPresent(text -> members(text).forEach((name, value) -> out.printf("  %-32s %s%n", name, value)));
        List<TensorInfo> tensors = checkpoint.tensors();
        printTable(tensors, statistics);
        Map<String, Long> types = tensors.stream()
                .collect(Collectors.groupingBy(tensor -> tensor.type().name(), TreeMap::new, Collectors.counting()));
        out.printf(Locale.ROOT, "%d tensors (%s), %,d parameters%s, %,d bytes of data%n", tensors.size(),
                types.entrySet().stream().map(type -> type.getValue() + " " + type.getKey())
                        .collect(Collectors.joining(", ")),
                ParameterCount.of(checkpoint), masks(checkpoint) == 0 ? ""
                        : String.format(Locale.ROOT, " (%,d elements of causal masks not counted)",
                                masks(checkpoint)),
                tensors.stream().mapToLong(TensorInfo::bytes).sum());
        out.println("memory for the parameters: " + Arrays.stream(WeightType.values())
                .map(type -> String.format(Locale.ROOT, "%s %,.1f MB", title(type),
                        bytes(type, ParameterCount.of(checkpoint)) / 1e6))
                .collect(Collectors.joining(", ")));
        unsupported.ifPresent(reason -> out.println("isthmus does not run this model: " + reason));
    }

    private static String title(WeightType type) {
        return type.name().toLowerCase(Locale.ROOT);
    }

    /** What so many weights take with their shares of the scales. */
    private static long bytes(WeightType type, long weights) {
        double scaleBits = type.isQuantized() ? (double) Short.SIZE / type.blockInputs() : 0;
        return Math.round(weights * (type.bits() + scaleBits) / Byte.SIZE);
    }

    private void printTable(List<TensorInfo> tensors, Map<String, TensorStatistics> statistics) {
        PrintWriter out = console.out();
        int name = width(tensors, TensorInfo::name);
        int shape = width(tensors, tensor -> tensor.shape().toString());
        if (!statistics.isEmpty()) {
            out.printf("%-" + name + "s %-5s %-" + shape + "s %11s %11s %11s %11s %8s%n", "tensor", "type", "shape",
                    "min", "max", "mean", "std", "NaN/inf");
        }
        for (TensorInfo tensor : tensors) {
            TensorStatistics known = statistics.get(tensor.name());
            String row = String.format("%-" + name + "s %-5s %-" + shape + "s", tensor.name(), tensor.type(),
                    tensor.shape());
            out.println(known == null ? row.stripTrailing() : row + String.format(Locale.ROOT,
                    " %11.4g %11.4g %11.4g %11.4g %8d", known.min(), known.max(), known.mean(), known.std(),
                    known.nan() + known.infinite()));
        }
    }

    private static int width(List<TensorInfo> tensors, Function<TensorInfo, String> column) {
        return tensors.stream().map(column).mapToInt(String::length).max().orElse(0) + 2;
    }

    private static long masks(Checkpoint checkpoint) {
        return checkpoint.tensors().stream().filter(tensor -> ParameterCount.isBuffer(tensor.name()))
                .mapToLong(tensor -> tensor.shape().elements()).sum();
    }

    /** The members of an object, each value as JSON. */
    private static Map<String, String> members(String text) {
        Map<String, String> members = new LinkedHashMap<>();
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

    private static void write(JsonGenerator json, Checkpoint checkpoint, Map<String, TensorStatistics> statistics,
            Optional<String> config, Optional<String> unsupported) throws IOException {
        json.writeArrayFieldStart("files");
        for (Path file : checkpoint.files()) {
            json.writeString(file.getFileName().toString());
        }
        json.writeEndArray();
        json.writeNumberField("parameters", ParameterCount.of(checkpoint));
        json.writeNumberField("mask_elements", masks(checkpoint));
        json.writeObjectFieldStart("memory_bytes");
        for (WeightType type : WeightType.values()) {
            json.writeNumberField(title(type), bytes(type, ParameterCount.of(checkpoint)));
        }
        json.writeEndObject();
        json.writeFieldName("config");
        json.writeRawValue(config.orElse("null"));
        json.writeStringField("unsupported", unsupported.orElse(null));
        json.writeArrayFieldStart("tensors");
        for (TensorInfo tensor : checkpoint.tensors()) {
            json.writeStartObject();
            Json.tensor(json, tensor.name(), tensor.type(), tensor.shape(), tensor.bytes());
            json.writeStringField("file", tensor.file().getFileName().toString());
            writeStatistics(json, statistics.get(tensor.name()));
            json.writeEndObject();
        }
        json.writeEndArray();
    }

    private static void writeStatistics(JsonGenerator json, TensorStatistics statistics) throws IOException {
        if (statistics == null) {
            json.writeNullField("statistics");
            return;
        }
        json.writeObjectFieldStart("statistics");
        json.writeNumberField("nan", statistics.nan());
        json.writeNumberField("infinite", statistics.infinite());
        writeFinite(json, "min", statistics.min());
        writeFinite(json, "max", statistics.max());
        writeFinite(json, "mean", statistics.mean());
        writeFinite(json, "std", statistics.std());
        json.writeEndObject();
    }

    /** JSON has no NaN, which stands here for the lack of finite numbers. */
    private static void writeFinite(JsonGenerator json, String name, double value) throws IOException {
        if (Double.isNaN(value)) {
            json.writeNullField(name);
        } else {
            json.writeNumberField(name, value);
        }
    }
}
