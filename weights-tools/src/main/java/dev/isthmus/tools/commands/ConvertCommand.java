package dev.isthmus.tools.commands;

import dev.isthmus.engine.convert.ConvertedTensor;
import dev.isthmus.engine.weights.TensorInfo;
import dev.isthmus.tools.convert.Conversion;
import dev.isthmus.tools.convert.TargetType;
import dev.isthmus.tools.io.Console;
import dev.isthmus.tools.io.Json;
import dev.isthmus.tools.io.Progress;
import dev.isthmus.tools.model.ModelLoader;
import java.io.PrintWriter;
import java.math.BigDecimal;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.OptionalLong;
import java.util.concurrent.Callable;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** Writes a model with its weights in another type. */
@Command(name = "convert", mixinStandardHelpOptions = true, sortOptions = false,
        versionProvider = IsthmusCommand.Version.class,
        description = "Writes a model with its matrices in another type: a directory in the Hugging Face layout, or a GGUF"
                + " file for llama.cpp. Says by how much each tensor's numbers have changed.",
        footerHeading = "%n",
        footer = {"A model from a converted directory computes the same bits as one from IN with the same --dtype. int8"
                + " and q4, and with --packed the other types, are in the engine's own form, which only isthmus reads:"
                + " such files are used where they lie, so that a model opens at once and processes share its memory."
                + " Weights other than matrices are written as f32. Nothing is overwritten; OUT appears when it is"
                + " complete.",
            "With --json: path, dtype, files, tensors (name, dtype, shape, bytes, max_error, rms_error) and unused (what"
                + " was left out)."})
final class ConvertCommand implements Callable<Integer> {

    private static final Pattern SIZE = Pattern.compile("([0-9]{1,15}(?:\\.[0-9]{1,6})?)([KMGT]i?)?B?",
            Pattern.CASE_INSENSITIVE);
    private static final Map<String, Long> UNITS = Map.of("K", 1_000L, "M", 1_000_000L, "G", 1_000_000_000L, "T",
            1_000_000_000_000L, "KI", 1L << 10, "MI", 1L << 20, "GI", 1L << 30, "TI", 1L << 40);

    /** What OUT is to be. */
    enum Format {
        /** A directory in the Hugging Face layout. */
        SAFETENSORS,
        /** A GGUF file. */
        GGUF
    }

    private final Console console;

    @Spec
    private CommandSpec spec;

    @Parameters(index = "0", paramLabel = "IN",
            description = "A model directory, a GGUF file, or a name in the local Hugging Face cache.")
    private String in;

    @Parameters(index = "1", paramLabel = "OUT", description = "The directory or file to write; it must not exist.")
    private Path out;

    @Option(names = "--dtype", required = true, paramLabel = "f32|f16|bf16|int8|q4|q8_0",
            description = "The type of the matrices; for a GGUF file f32, f16 or q8_0.")
    private TargetType dtype;

    @Option(names = "--format", paramLabel = "safetensors|gguf",
            description = "What to write. Default: gguf if OUT ends in .gguf, else safetensors.")
    private Format format;

    @Option(names = "--packed", description = "Write f32, f16 and bf16 in the engine's own form too.")
    private boolean packed;

    @Option(names = "--shard-size", paramLabel = "SIZE",
            description = "The most bytes of tensors in a safetensors file, such as 500MB or 2GiB. Default: one file.")
    private String shardSize;

    @Mixin
    private OutputFlags output;

    ConvertCommand(Console console) {
        this.console = console;
    }

    @Override
    public Integer call() {
        boolean gguf = format == null ? out.toString().endsWith(".gguf") : format == Format.GGUF;
        OptionalLong shardBytes = shardSize == null ? OptionalLong.empty() : OptionalLong.of(bytes(shardSize));
        if (gguf && shardBytes.isPresent()) {
            throw new ParameterException(spec.commandLine(), "--shard-size divides safetensors files, not GGUF files");
        }
        if (gguf && packed) {
            throw new ParameterException(spec.commandLine(), "--packed is a form of safetensors files, not of GGUF files");
        }
        Path found = ModelLoader.locateFile(console, in);
        Conversion.Result result;
        try (Progress progress = Progress.ofBytes(console, "converting")) {
            Conversion conversion = new Conversion(found, out, dtype, packed, progress::update);
            result = gguf ? conversion.toGguf() : conversion.toDirectory(shardBytes);
        }
        result.losses().forEach(loss -> console.say("warning: " + loss));
        if (output.json) {
            printJson(result);
        } else {
            print(result);
        }
        return 0;
    }

    private long bytes(String size) {
        Matcher matcher = SIZE.matcher(size);
        if (matcher.matches()) {
            long unit = matcher.group(2) == null ? 1 : UNITS.get(matcher.group(2).toUpperCase(Locale.ROOT));
            BigDecimal bytes = new BigDecimal(matcher.group(1)).multiply(BigDecimal.valueOf(unit));
            if (bytes.signum() > 0 && bytes.compareTo(BigDecimal.valueOf(Long.MAX_VALUE)) <= 0) {
                return Math.max(1, bytes.longValue());
            }
        }
        throw new ParameterException(spec.commandLine(), "--shard-size must be a number of bytes such as 500MB, 5GB or"
                + " 2GiB, found " + size);
    }

    private void print(Conversion.Result result) {
        PrintWriter table = console.out();
        int name = result.tensors().stream().mapToInt(tensor -> tensor.name().length()).max().orElse(0) + 2;
        int shape = result.tensors().stream().mapToInt(tensor -> tensor.shape().toString().length()).max().orElse(0) + 2;
        String columns = "%-" + name + "s %-5s %-" + shape + "s %15s %11s %11s%n";
        table.printf(columns, "tensor", "type", "shape", "bytes", "max error", "rms error");
        for (ConvertedTensor tensor : result.tensors()) {
            table.printf(Locale.ROOT, columns, tensor.name(), tensor.type(), tensor.shape(),
                    String.format(Locale.ROOT, "%,d", tensor.bytes()), error(tensor.error().largest()),
                    error(tensor.error().rootMeanSquare()));
        }
        if (!result.unused().isEmpty()) {
            console.say(result.unused().size() + " tensors that GPT-2 does not need were left out");
        }
        table.println(out);
    }

    private static String error(double error) {
        return error == 0 ? "0" : String.format(Locale.ROOT, "%.3e", error);
    }

    private void printJson(Conversion.Result result) {
        Json.object(console.out(), json -> {
            json.writeStringField("path", out.toString());
            json.writeStringField("dtype", dtype.title());
            Json.texts(json, "files", result.files());
            json.writeArrayFieldStart("tensors");
            for (ConvertedTensor tensor : result.tensors()) {
                json.writeStartObject();
                Json.tensor(json, tensor.name(), tensor.type(), tensor.shape(), tensor.bytes());
                json.writeNumberField("max_error", tensor.error().largest());
                json.writeNumberField("rms_error", tensor.error().rootMeanSquare());
                json.writeEndObject();
            }
            json.writeEndArray();
            Json.texts(json, "unused", result.unused().stream().map(TensorInfo::name).toList());
        });
    }
}
