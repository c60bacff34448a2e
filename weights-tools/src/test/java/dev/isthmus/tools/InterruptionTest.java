package dev.isthmus.tools;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.DisabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

/** A process that is asked to end. */
@DisabledOnOs(value = OS.WINDOWS, disabledReason = "a process cannot be asked to end there")
class InterruptionTest {

    /** Ended by SIGTERM, as shells count. */
    private static final int TERMINATED = 128 + 15;

    @TempDir
    private Path folder;

    @Test
    void aGenerationEndsWithAWholeLineAndItsSummary() throws Exception {
        Path model = TinyModel.writeWithoutTokenizer(folder.resolve("model"), 50_000);
        Path out = folder.resolve("out.txt");
        Path err = folder.resolve("err.txt");
        Process process = new ProcessBuilder(ProcessRun.command(List.of(), "generate", "--ids", "1", "--max-tokens",
                "49999", "--seed", "1", "--model", model.toString()))
                .redirectOutput(out.toFile()).redirectError(err.toFile()).start();
        try {
            while (process.isAlive() && Files.size(out) < 20) {
                Thread.sleep(20);
            }
            process.destroy();
            assertTrue(process.waitFor(60, TimeUnit.SECONDS));
        } finally {
            process.destroyForcibly();
        }
        assertEquals(TERMINATED, process.exitValue());
        assertTrue(Files.readString(out).endsWith("\n"));
        assertTrue(Files.readString(err).contains(" tokens in ") && Files.readString(err).contains("cancelled"),
                Files.readString(err));
    }
}
