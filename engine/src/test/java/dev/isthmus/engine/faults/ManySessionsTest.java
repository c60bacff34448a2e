package dev.isthmus.engine.faults;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.isthmus.engine.ChildJvm;
import dev.isthmus.engine.api.TinyModel;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** A process that opens more sessions than it has memory for gets a typed error and goes on. */
@Timeout(120)
class ManySessionsTest {

    @TempDir
    Path directory;

    @Test
    void whereTheCachesMayTakeNoMore() throws Exception {
        String output = run(16 << 20, "-Xmx256m");
        assertTrue(output.contains("may take 16777216 bytes") && output.contains("request refused"), output);
    }

    @Test
    void whereTheHeapIsUsedUp() throws Exception {
        String output = run(2L << 30, "-Xmx20m");
        assertTrue(output.contains("-Xmx"), output);
    }

    private String run(long cacheLimit, String... options) throws Exception {
        Process process = ChildJvm.of(List.of(options), ManySessions.class.getName(),
                List.of(TinyModel.write(directory).toString(), Long.toString(cacheLimit))).start();
        String output = new String(process.getInputStream().readAllBytes());
        assertEquals(0, process.waitFor(), output);
        assertTrue(output.contains("refused: ") && output.contains("sessions "), output);
        return output;
    }
}
