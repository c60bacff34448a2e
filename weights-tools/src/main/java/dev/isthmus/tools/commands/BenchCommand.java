package dev.isthmus.tools.commands;

import dev.isthmus.engine.api.CacheType;
import dev.isthmus.engine.api.ModelOptions;
import dev.isthmus.engine.config.Gpt2Config;
import dev.isthmus.engine.config.WeightType;
import dev.isthmus.engine.kernels.cpu.CpuChoice;
import dev.isthmus.engine.kernels.cpu.MachineLimits;
import dev.isthmus.tools.io.Console;
import dev.isthmus.tools.io.Json;
import dev.isthmus.tools.io.Progress;
import dev.isthmus.tools.model.ModelDirectory;
import dev.isthmus.tools.model.ModelLoader;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.management.CompilationMXBean;
import java.lang.management.ManagementFactory;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;
import picocli.CommandLine.TypeConversionException;

/** Says how fast a model runs, beside what the machine allows. */
@Command(name = "bench", mixinStandardHelpOptions = true, sortOptions = false,
        versionProvider = IsthmusCommand.Version.class,
        description = "Says how many tokens per second a model reads and generates on this machine, as llama-bench does:"
                + " random tokens, greedy choice, runs to warm up for a second or more, then the median of some. Beside"
                + " it stands the most that this machine allows, by its memory and its arithmetic as measured before and"
                + " after.",
        footerHeading = "%n",
        footer = "With --json: a list of workload, dtype, batch, threads, tokens_per_second (median, min, max) and"
                + " limit (null without the C kernels, which measure it).")
final class BenchCommand implements Callable<Integer> {

    private static final List<Integer> USUAL_PREFILLS = List.of(128, 512);
    private static final List<Lengths> USUAL_DECODES = List.of(new Lengths(64, 128), new Lengths(896, 64));

    private static final long WARM_UP_NANOSECONDS = 1_000_000_000L;
    private static final long COMPILER_RESTS_NANOSECONDS = 500_000_000L;
    private static final long LONGEST_WARM_UP_NANOSECONDS = 10_000_000_000L;

    private final Console console;

    @Spec
    private CommandSpec spec;

    @Option(names = {"-m", "--model"}, paramLabel = "DIR|NAME",
            description = "The model, as for the other commands. Default: the small embedded model.")
    private String model;

    @Option(names = "--dtype", split = ",", paramLabel = "f32|f16|bf16|int8|q4",
            description = "How to keep the weights, one after another. Default: as the files have them.")
    private List<WeightType> dtypes = List.of();

    @Option(names = "--cache", paramLabel = "auto|f32|f16|int8", defaultValue = "auto",
            description = "How to keep keys and values. Default: auto, int8 for weights of int8 or q4, else f32.")
    private CacheType cache;

    @Option(names = "--prefill", split = ",", paramLabel = "T",
            description = "Read prompts of T tokens. Default, without --decode: 128,512, as far as the context allows.")
    private List<Integer> prefills;

    @Option(names = "--decode", split = ",", paramLabel = "T+N", converter = LengthsConverter.class,
            description = "Generate N tokens behind T. Default, without --prefill: 64+128,896+64, as far as the context"
                    + " allows.")
    private List<Lengths> decodes;

    @Option(names = "--batch", split = ",", paramLabel = "B", defaultValue = "1",
            description = "Generate for B texts together; all their tokens count. Default: ${DEFAULT-VALUE}.")
    private List<Integer> batches;

    @Option(names = "--threads", paramLabel = "N", defaultValue = "0",
            description = "Worker threads. Default: one for each core.")
    private int threads;

    @Option(names = "--repeat", paramLabel = "R", defaultValue = "5",
            description = "Runs of each after those to warm up. Default: ${DEFAULT-VALUE}.")
    private int repeat;

    @Mixin
    private OutputFlags output;

    BenchCommand(Console console) {
        this.console = console;
    }

    /** Of a text to be continued. */
    private record Lengths(int prompt, int count) {}

    private static final class LengthsConverter implements ITypeConverter<Lengths> {

        @Override
        public Lengths convert(String value) {
            if (!value.matches("[0-9]{1,9}\\+[0-9]{1,9}")) {
                throw new TypeConversionException("'" + value + "' is not two lengths such as 64+128: tokens of the"
                        + " prompt, and tokens to generate");
            }
            String[] lengths = value.split("\\+");
            return new Lengths(Integer.parseInt(lengths[0]), Integer.parseInt(lengths[1]));
        }
    }

    @Override
    public Integer call() {
        requirePositive("--repeat", List.of(repeat));
        requirePositive("--batch", batches);
        if (threads < 0 || threads > ModelOptions.MAX_THREADS) {
            throw invalid("--threads must be in 0.." + ModelOptions.MAX_THREADS + " (0: one for each core), found "
                    + threads);
        }
        int team = threads == 0 ? Runtime.getRuntime().availableProcessors() : threads;
        CpuChoice backend = CpuChoice.choose();
        List<Optional<WeightType>> types = dtypes.isEmpty() ? List.of(Optional.empty())
                : dtypes.stream().map(Optional::of).toList();
        List<BenchResult> results = new ArrayList<>();
        try (ModelDirectory directory = new ModelLoader(console).locate(model)) {
            List<BenchWorkload> workloads = workloads(Gpt2Config.read(directory.path()));
            try (Progress progress = new Progress(console, "benchmarking", "runs", 1)) {
                Runs runs = new Runs(progress, (long) types.size() * workloads.size() * (1 + repeat));
                for (Optional<WeightType> type : types) {
                    measure(directory.path(), backend, type, team, workloads, runs, results);
                }
            }
        }
        if (output.json) {
            Json.array(console.out(), json -> {
                for (BenchResult result : results) {
                    result.write(json);
                }
            });
        } else {
            BenchResult.print(console.out(), results);
        }
        return 0;
    }

    private void measure(Path directory, CpuChoice backend, Optional<WeightType> type, int team,
            List<BenchWorkload> workloads, Runs runs, List<BenchResult> results) {
        try (BenchModel opened = new BenchModel(directory, backend, type, cache, team, (done, total) -> {});
                Limit limit = backend.level().map(level -> new Limit(opened, new MachineLimits(level, team)))
                        .orElse(null)) {
            for (BenchWorkload workload : workloads) {
                double[] rates = new double[repeat];
                OptionalDouble before = limit(limit, workload);
                warmUp(workload, opened);
                runs.done();
                for (int i = 0; i < repeat; i++) {
                    rates[i] = workload.tokens() / workload.run(opened);
                    runs.done();
                }
                OptionalDouble after = limit(limit, workload);
                OptionalDouble best = before.isEmpty() ? before
                        : OptionalDouble.of(Math.max(before.getAsDouble(), after.getAsDouble()));
                results.add(new BenchResult(workload.name(), opened.type().name().toLowerCase(Locale.ROOT),
                        workload.batch(), team, rates, best));
            }
        }
    }

    /** Until some time has passed and the compiler, which takes a core from what is measured, has come to rest. */
    private static void warmUp(BenchWorkload workload, BenchModel model) {
        CompilationMXBean compiler = ManagementFactory.getCompilationMXBean();
        long begun = System.nanoTime();
        long compiled = begun;
        long before = -1;
        long now;
        do {
            workload.run(model);
            now = System.nanoTime();
            long total = compiler == null ? before : compiler.getTotalCompilationTime();
            compiled = total == before ? compiled : now;
            before = total;
        } while (now - begun < WARM_UP_NANOSECONDS
                || now - compiled < COMPILER_RESTS_NANOSECONDS && now - begun < LONGEST_WARM_UP_NANOSECONDS);
    }

    private static OptionalDouble limit(Limit limit, BenchWorkload workload) {
        return limit == null ? OptionalDouble.empty() : OptionalDouble.of(limit.tokensPerSecond(workload));
    }

    /** What the machine allows a model, measured anew each time that it is asked. */
    private static final class Limit implements AutoCloseable {

        private final BenchModel model;
        private final MachineLimits machine;
        private final Arena arena = Arena.ofShared();
        private final MemorySegment memory;

        Limit(BenchModel model, MachineLimits machine) {
            this.model = model;
            this.machine = machine;
            this.memory = model.memory(arena, model.layerBytes() + model.headBytes());
        }

        double tokensPerSecond(BenchWorkload workload) {
            return workload.tokens() / workload.cost(model).seconds(machine.bytesPerSecond(memory),
                    machine.multiplyAddsPerSecond(model.type()), machine.multiplyAddsPerSecond(WeightType.F32));
        }

        @Override
        public void close() {
            machine.close();
            arena.close();
        }
    }

    /** Counts runs for the progress. */
    private static final class Runs {

        private final Progress progress;
        private final long total;
        private long done;

        Runs(Progress progress, long total) {
            this.progress = progress;
            this.total = total;
        }

        void done() {
            progress.update(++done, total);
        }
    }

    private List<BenchWorkload> workloads(Gpt2Config config) {
        boolean usual = prefills == null && decodes == null;
        List<BenchWorkload> all = new ArrayList<>();
        for (int tokens : usual ? USUAL_PREFILLS : orNone(prefills)) {
            requirePositive("--prefill", List.of(tokens));
            all.add(new BenchWorkload.Prefill(tokens));
        }
        for (Lengths lengths : usual ? USUAL_DECODES : orNone(decodes)) {
            requirePositive("--decode", List.of(lengths.prompt(), lengths.count()));
            for (int batch : batches) {
                all.add(new BenchWorkload.Decode(lengths.prompt(), lengths.count(), batch));
            }
        }
        List<BenchWorkload> fitting = all.stream().filter(each -> each.positions() <= config.context()).toList();
        if (fitting.isEmpty() || !usual && fitting.size() < all.size()) {
            all.removeAll(fitting);
            throw invalid(all.getFirst().name() + " takes " + all.getFirst().positions() + " positions, and the model's"
                    + " context has " + config.context() + "; choose shorter ones with --prefill and --decode");
        }
        return fitting;
    }

    private static <T> List<T> orNone(List<T> values) {
        return values == null ? List.of() : values;
    }

    private void requirePositive(String option, List<Integer> values) {
        for (int value : values) {
            if (value < 1) {
                throw invalid(option + " must be >= 1, found " + value);
            }
        }
    }

    private ParameterException invalid(String message) {
        return new ParameterException(spec.commandLine(), message);
    }
}
