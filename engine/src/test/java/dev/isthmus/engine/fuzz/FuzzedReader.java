package dev.isthmus.engine.fuzz;

import dev.isthmus.engine.checkpoint.Checkpoint;
import dev.isthmus.engine.config.Gpt2Config;
import dev.isthmus.engine.errors.EngineException;
import dev.isthmus.engine.errors.InvalidInputException;
import dev.isthmus.engine.tokenizer.Tokenizer;
import dev.isthmus.engine.weights.TensorInfo;
import dev.isthmus.engine.weights.TestTensors;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.List;
import java.util.Locale;

/** The readers of files. Each takes the bytes of one file of a model whose other files are as they should be. */
public enum FuzzedReader {
    /** A safetensors file, to the last element. */
    SAFETENSORS(Checkpoint.SINGLE_FILE),
    /** The index of two shards. */
    INDEX(Checkpoint.INDEX_FILE),
    /** config.json. */
    CONFIG("config.json"),
    /** vocab.json. */
    VOCABULARY("vocab.json"),
    /** merges.txt. */
    MERGES("merges.txt"),
    /** tokenizer.json. */
    TOKENIZER("tokenizer.json"),
    /** tokenizer_config.json, beside vocab.json and merges.txt. */
    TOKENIZER_CONFIG("tokenizer_config.json"),
    /** A GGUF file: weights, configuration and tokenizer. */
    GGUF("model.gguf");

    private static final String TEXT = "hello abab <|endoftext|>\u00e9\ud83d\ude00";
    private static final int TOKENS_SHOWN = 300;

    private final String file;

    FuzzedReader(String file) {
        this.file = file;
    }

    /** The name of its folder of seeds. */
    public String folder() {
        return name().toLowerCase(Locale.ROOT);
    }

    /** Writes the files that accompany the one under test; the directory may hold those of an earlier run. */
    void prepare(Path directory) throws IOException {
        Files.createDirectories(directory);
        switch (this) {
            case INDEX -> {
                for (String tensor : List.of("a", "b")) {
                    Path shards = Files.createDirectories(directory.resolve(tensor));
                    Files.move(TestTensors.write(shards, List.of(TestTensors.f32(tensor, new long[] {1}, 1))),
                            directory.resolve(tensor + ".safetensors"), StandardCopyOption.REPLACE_EXISTING);
                    Files.delete(shards);
                }
            }
            case VOCABULARY -> Files.writeString(directory.resolve("merges.txt"), "#version: 0.2\na b\nab ab\n");
            case MERGES, TOKENIZER_CONFIG -> {
                Files.writeString(directory.resolve("vocab.json"),
                        "{\"a\":0,\"b\":1,\"ab\":2,\"abab\":3,\"<|endoftext|>\":4,\"\u0120\":5}");
                Files.writeString(directory.resolve("merges.txt"), "a b\nab ab\n");
            }
            default -> { }
        }
    }

    /**
     * Reads a file with these bytes and uses what came of it.
     *
     * @param directory one that was {@linkplain #prepare prepared} for this reader
     * @return true if the reader accepted the bytes, false if it refused them with an {@link EngineException};
     *     everything else that is thrown is a fault of the reader
     */
    boolean accepts(Path directory, byte[] bytes) throws IOException {
        Path written = Files.write(directory.resolve(file), bytes);
        try {
            switch (this) {
                case SAFETENSORS, INDEX -> readWeights(directory);
                case CONFIG -> Gpt2Config.read(directory).attentionScale(0);
                case VOCABULARY, MERGES, TOKENIZER, TOKENIZER_CONFIG ->
                    useTokenizer(Tokenizer.open(directory).orElseThrow());
                case GGUF -> readGguf(written);
            }
            return true;
        } catch (EngineException refused) {
            if (refused.getMessage().length() > 3000) {
                throw new AssertionError("a message that no person can read", refused);
            }
            return false;
        }
    }

    private static void readWeights(Path path) {
        try (Checkpoint checkpoint = Checkpoint.open(path); Arena arena = Arena.ofConfined()) {
            for (TensorInfo tensor : checkpoint.tensors()) {
                if (tensor.type().readsAsF32()) {
                    checkpoint.readF32(tensor, 0, arena.allocate(Float.BYTES * tensor.shape().elements(), Float.BYTES));
                } else {
                    checkpoint.readBytes(tensor, 0, arena.allocate(tensor.bytes()));
                }
            }
        }
    }

    private static void readGguf(Path path) {
        readWeights(path);
        Tokenizer.open(path).ifPresent(FuzzedReader::useTokenizer);
        Gpt2Config.read(path);
    }

    /** A vocabulary without tokens for some bytes, or with gaps, is in order, and using these is refused. */
    private static void useTokenizer(Tokenizer tokenizer) {
        int last = tokenizer.vocabularySize() - 1;
        for (int id = 0; id < Math.min(TOKENS_SHOWN, last); id++) {
            int shown = id;
            use(() -> tokenizer.decode(shown));
        }
        use(() -> tokenizer.decode(last));
        use(() -> tokenizer.decode(tokenizer.encode(TEXT)));
        use(() -> tokenizer.decode(tokenizer.encodeWithSpecialTokens(TEXT)));
    }

    private static void use(Runnable action) {
        try {
            action.run();
        } catch (InvalidInputException refused) {
            // The only error that it may end in.
        }
    }
}
