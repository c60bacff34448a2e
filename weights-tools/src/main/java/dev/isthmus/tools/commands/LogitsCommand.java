package dev.isthmus.tools.commands;

import dev.isthmus.engine.api.Distribution;
import dev.isthmus.engine.api.Model;
import dev.isthmus.engine.api.Session;
import dev.isthmus.engine.errors.CancelledException;
import dev.isthmus.engine.tensor.Shape;
import dev.isthmus.engine.weights.StoredType;
import dev.isthmus.engine.weights.safetensors.SafetensorsWriter;
import dev.isthmus.tools.io.CommandException;
import dev.isthmus.tools.io.Console;
import dev.isthmus.tools.io.Json;
import dev.isthmus.tools.io.Progress;
import dev.isthmus.tools.model.ModelFlags;
import dev.isthmus.tools.model.ModelLoader;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Writes logits into a file. */
@Command(name = "logits", mixinStandardHelpOptions = true, sortOptions = false,
        versionProvider = IsthmusCommand.Version.class,
        description = "Writes the logits of a text into a safetensors file: logits (or logprobs), F32 [1 or T, V], and"
                + " input_ids, I64 [T], for T tokens and a vocabulary of V.",
        footerHeading = "%n",
        footer = "The file appears when it is complete. With --json: output, logits or logprobs (its shape) and"
                + " input_ids.")
final class LogitsCommand implements Callable<Integer> {

    private static final ValueLayout.OfFloat F32 =
            ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfLong I64 = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private final Console console;

    @ArgGroup(multiplicity = "1")
    private TextOrIds input;

    @Mixin
    private ModelFlags modelFlags;

    @Mixin
    private OutputFlags output;

    @Mixin
    private SpecialFlag special;

    @Option(names = "--all", description = "The logits of every position. Default: of the last one only.")
    private boolean all;

    @Option(names = "--logprobs", description = "Natural log-probabilities in place of the logits.")
    private boolean logprobs;

    @Option(names = {"-o", "--output"}, paramLabel = "FILE", required = true,
            description = "The safetensors file to write.")
    private Path file;

    private volatile boolean interrupted;

    LogitsCommand(Console console) {
        this.console = console;
    }

    @Override
    public Integer call() {
        Path folder = file.toAbsolutePath().getParent();
        if (folder == null || !Files.isDirectory(folder)) {
            throw new CommandException(file + ": cannot be written, since " + folder + " is not a directory");
        }
        try (ModelLoader.Loaded loaded = new ModelLoader(console).open(modelFlags);
                Interruption _ = Interruption.watch(() -> interrupted = true, () -> true);
                Arena arena = Arena.ofShared()) {
            Model model = loaded.model();
            int[] ids = input.ids(console, model, special);
            int rows = all ? ids.length : 1;
            int vocabulary = model.config().vocabulary();
            // A whole context's rows at most: the model refuses longer texts before any of this memory is touched.
            MemorySegment logits = arena.allocate(F32.byteSize() * rows * vocabulary);
            try (Progress progress = new Progress(console, "computing logits", "tokens", 1)) {
                compute(model, ids, logits, progress);
            }
            MemorySegment inputIds = arena.allocate(I64.byteSize() * ids.length);
            for (int t = 0; t < ids.length; t++) {
                inputIds.set(I64, I64.byteSize() * t, ids[t]);
            }
            SafetensorsWriter.write(file, Map.of(), List.of(
                    new SafetensorsWriter.Entry(name(), StoredType.F32, new Shape(rows, vocabulary), logits),
                    new SafetensorsWriter.Entry("input_ids", StoredType.I64, new Shape(ids.length), inputIds)));
            report(ids, rows, vocabulary);
        }
        return 0;
    }

    private void compute(Model model, int[] ids, MemorySegment logits, Progress progress) {
        try (Session session = model.newSession()) {
            if (!all) {
                session.append(ids);
                put(logits, 0, session.logits());
                return;
            }
            session.append(ids, (position, row) -> {
                if (interrupted) {
                    throw new CancelledException("interrupted; " + file + " was not written");
                }
                put(logits, position, row);
                progress.update(position + 1, ids.length);
            });
        }
    }

    private String name() {
        return logprobs ? "logprobs" : "logits";
    }

    private void put(MemorySegment rows, long row, float[] logits) {
        float[] values = logits;
        if (logprobs) {
            double[] exact = Distribution.of(logits).logprobs();
            values = new float[exact.length];
            for (int id = 0; id < values.length; id++) {
                values[id] = (float) exact[id];
            }
        }
        MemorySegment.copy(values, 0, rows, F32, row * values.length * F32.byteSize(), values.length);
    }

    private void report(int[] ids, int rows, int vocabulary) {
        if (output.json) {
            Json.object(console.out(), json -> {
                json.writeStringField("output", file.toString());
                Json.numbers(json, name(), new int[] {rows, vocabulary});
                Json.numbers(json, "input_ids", ids);
            });
        } else {
            console.say(String.format(Locale.ROOT, "wrote %s: %s F32 [%d, %d], input_ids I64 [%d]", file, name(),
                    rows, vocabulary, ids.length));
        }
    }
}
