package dev.isthmus.engine.session;

import dev.isthmus.engine.errors.CheckpointException;
import dev.isthmus.engine.errors.InvalidInputException;
import dev.isthmus.engine.errors.UnsupportedModelException;
import dev.isthmus.engine.tokenizer.Tokenizer;
import java.nio.file.Path;
import java.util.Optional;

/**
 * A model's tokenizer, or why it has none. A tokenizer that is not supported or not complete keeps nobody from using
 * token ids; one that is damaged is an error at once.
 *
 * @param tokenizer the tokenizer
 * @param fault why there is none; empty where there is one
 * @param isSupported whether the model has no tokenizer that was refused
 */
public record TokenizerResult(Optional<Tokenizer> tokenizer, Optional<String> fault, boolean isSupported) {

    private static final String NONE = "the model has no tokenizer (a directory has it in tokenizer.json, or in vocab.json"
            + " and merges.txt; a GGUF file in the keys tokenizer.ggml)";

    /**
     * Opens the tokenizer of a model.
     *
     * @throws CheckpointException if its files cannot be read or are malformed
     */
    static TokenizerResult of(Path model) {
        try {
            Optional<Tokenizer> opened = Tokenizer.open(model);
            return new TokenizerResult(opened, opened.isPresent() ? Optional.empty() : Optional.of(NONE), true);
        } catch (CheckpointException e) {
            return switch (e.reason()) {
                case UNSUPPORTED_TOKENIZER, MISSING_FILE ->
                    new TokenizerResult(Optional.empty(), Optional.of(e.getMessage()), false);
                default -> throw e;
            };
        }
    }

    /**
     * The tokenizer.
     *
     * @throws InvalidInputException if the model has none
     * @throws UnsupportedModelException if it has one that is not supported
     */
    public Tokenizer require(String purpose) {
        if (tokenizer.isPresent()) {
            return tokenizer.get();
        }
        String message = purpose + ": " + fault.orElseThrow() + "; pass token ids, which need no tokenizer";
        throw isSupported ? new InvalidInputException(message) : new UnsupportedModelException(message);
    }
}
