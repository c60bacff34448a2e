package dev.isthmus.engine.api;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.isthmus.engine.errors.CheckpointException;
import dev.isthmus.engine.errors.InvalidInputException;
import dev.isthmus.engine.errors.UnsupportedModelException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** An opening that fails says why and leaves no thread. */
@Timeout(60)
class OpeningTest {

    private static final ModelOptions OPTIONS = ModelOptions.DEFAULT.withBackend(BackendChoice.CPU).withThreads(7);

    @TempDir
    Path directory;

    @BeforeEach
    void write() throws IOException {
        TinyModel.write(directory);
    }

    /** Those of other tests' models may still be ending. */
    private static List<Thread> threads() {
        return Thread.getAllStackTraces().keySet().stream().filter(thread -> thread.getName().startsWith("isthmus-"))
                .toList();
    }

    private static <T extends Throwable> void assertLeavesNoThread(Class<T> failure, Executable opening)
            throws InterruptedException {
        List<Thread> before = threads();
        assertThrows(failure, opening);
        for (Thread thread : threads()) {
            if (!before.contains(thread)) {
                thread.join();
            }
        }
    }

    @Test
    void missingWeightsLeaveNoThread() throws Exception {
        Files.delete(directory.resolve("model.safetensors"));
        assertLeavesNoThread(CheckpointException.class, () -> Model.open(directory, OPTIONS));
    }

    @Test
    void aBrokenTokenizerLeavesNoThread() throws Exception {
        Files.writeString(directory.resolve("merges.txt"), "h e\nh");
        assertLeavesNoThread(CheckpointException.class, () -> Model.open(directory, OPTIONS));
    }

    @Test
    void anUnknownConfigurationLeavesNoThread() throws Exception {
        Files.writeString(directory.resolve("config.json"), "{\"model_type\": \"llama\"}");
        assertLeavesNoThread(UnsupportedModelException.class, () -> Model.open(directory, OPTIONS));
    }

    @Test
    void aListenerThatThrowsLeavesNoThread() throws Exception {
        assertLeavesNoThread(IllegalStateException.class, () -> Model.open(directory,
                OPTIONS.withLoadProgress((done, total) -> {
                    throw new IllegalStateException("enough");
                })));
    }

    @ParameterizedTest
    @ValueSource(ints = {Integer.MIN_VALUE, -1, ModelOptions.MAX_THREADS + 1, 1_000_000_000, Integer.MAX_VALUE})
    void threadsOutOfRangeAreRefused(int threads) {
        String message = assertThrows(InvalidInputException.class, () -> ModelOptions.DEFAULT.withThreads(threads))
                .getMessage();
        assertTrue(message.contains("0..1024") && message.contains("found " + threads), message);
    }

    @Test
    void aNegativeCacheLimitIsRefused() {
        assertThrows(InvalidInputException.class, () -> ModelOptions.DEFAULT.withCacheLimit(-1));
    }

    @Test
    void asManyThreadsAsAllowedAreAccepted() {
        assertEquals(ModelOptions.MAX_THREADS, ModelOptions.DEFAULT.withThreads(ModelOptions.MAX_THREADS).threads());
    }
}
