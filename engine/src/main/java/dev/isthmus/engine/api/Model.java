package dev.isthmus.engine.api;

import dev.isthmus.engine.config.Gpt2Config;
import dev.isthmus.engine.tokenizer.Tokenizer;
import java.nio.file.Path;
import java.util.Optional;

/** A GPT-2 model: weights, configuration and tokenizer. Immutable; any thread may use it. */
public final class Model implements AutoCloseable {

    private Model() {}

    /** Opens a model directory with the default options. */
    public static Model open(Path directory) {
        return open(directory, ModelOptions.DEFAULT);
    }

    /** Opens a model directory. */
    public static Model open(Path directory, ModelOptions options) {
        throw new UnsupportedOperationException();
    }

    /** A new, empty session. */
    public Session newSession() {
        throw new UnsupportedOperationException();
    }

    /** The hyperparameters. */
    public Gpt2Config config() {
        throw new UnsupportedOperationException();
    }

    /** The tokenizer; empty where the directory has no tokenizer files. */
    public Optional<Tokenizer> tokenizer() {
        throw new UnsupportedOperationException();
    }

    /** Which kernels the model runs on, in words. */
    public String backend() {
        throw new UnsupportedOperationException();
    }

    /** Scores a text of any length by windows of the model's context that move by {@code stride} tokens. */
    public Score score(int[] ids, int stride) {
        throw new UnsupportedOperationException();
    }

    @Override
    public void close() {}
}
