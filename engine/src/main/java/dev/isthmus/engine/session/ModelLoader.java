package dev.isthmus.engine.session;

import dev.isthmus.engine.checks.Interrupts;
import dev.isthmus.engine.config.Gpt2Config;
import dev.isthmus.engine.errors.BackendException;
import dev.isthmus.engine.errors.UnsupportedModelException;
import dev.isthmus.engine.kernels.Backend;
import dev.isthmus.engine.model.Gpt2Fingerprint;
import dev.isthmus.engine.model.Gpt2Loader;
import dev.isthmus.engine.model.Gpt2Weights;
import dev.isthmus.engine.checkpoint.Checkpoint;
import dev.isthmus.engine.files.MemoryLimit;
import dev.isthmus.engine.checkpoint.ModelPath;
import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.util.List;
import java.util.function.IntFunction;
import java.util.function.Supplier;
import jdk.jfr.FlightRecorder;

/** Reads a model's files into a {@link LoadedModel}. Used by one thread. */
final class ModelLoader {

    private final Path path;
    private final LoadOptions options;
    private final Gpt2Config config;
    private final int threads;

    private ModelLoader(Path path, LoadOptions options) {
        this.path = path;
        this.options = options;
        config = Gpt2Config.read(path);
        threads = options.threads() == 0 ? Runtime.getRuntime().availableProcessors() : options.threads();
    }

    /** Loads a model, and records it if there is a recording. */
    static LoadedModel load(Path given, LoadOptions options) {
        if (!FlightRecorder.isInitialized()) {
            return read(given, options);
        }
        ModelOpenEvent event = new ModelOpenEvent();
        event.begin();
        LoadedModel model = read(given, options.withProgress((done, total) -> {
            event.bytes = done;
            options.progress().accept(done, total);
        }));
        event.commit(given, model);
        return model;
    }

    private static LoadedModel read(Path given, LoadOptions options) {
        return reading(given, () -> new ModelLoader(ModelPath.resolve(given), options).load());
    }

    /** Reads a model's files; typed errors tell of an interrupt or of memory that lacks. */
    static <R> R reading(Path given, Supplier<R> read) {
        return Interrupts.during("opening the model " + given, () -> MemoryLimit.reading(given, read));
    }

    private LoadedModel load() {
        List<IntFunction<Backend>> backends = options.backends();
        for (IntFunction<Backend> backend : backends.subList(0, backends.size() - 1)) {
            try {
                return load(backend.apply(threads));
            } catch (BackendException | UnsupportedModelException cannot) {
                System.getLogger(LoadedModel.class.getName()).log(System.Logger.Level.DEBUG,
                        "Using the next backend, since one cannot compute the model", cannot);
            }
        }
        return load(backends.getLast().apply(threads));
    }

    private LoadedModel load(Backend backend) {
        Arena arena = null;
        try (Checkpoint checkpoint = Checkpoint.open(path);
                LoadingTask<TokenizerResult> tokenizer =
                        new LoadingTask<>("tokenizer", () -> TokenizerResult.of(path));
                LoadingTask<Gpt2Fingerprint> fingerprint =
                        new LoadingTask<>("fingerprint", () -> Gpt2Fingerprint.of(checkpoint, config))) {
            arena = Arena.ofShared();
            backend.requireHeads(config.headChannels());
            Gpt2Weights weights = Gpt2Loader.load(checkpoint, config, backend.weights(), options.weights(), arena,
                    threads, options.progress());
            LoadedModel.Files files = new LoadedModel.Files(path, config, tokenizer.join(),
                    fingerprint.join().as(weights, backend.blocks().layout()));
            return new LoadedModel(files, arena, weights, backend, options.cache());
        } catch (Throwable failed) {
            backend.close();
            if (arena != null) {
                arena.close();
            }
            throw failed;
        }
    }
}
