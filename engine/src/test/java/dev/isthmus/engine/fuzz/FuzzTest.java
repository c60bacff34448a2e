package dev.isthmus.engine.fuzz;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.io.TempDir;

/**
 * Coverage-guided fuzzing with Jazzer, in a process of its own. Each build fuzzes all readers together for a few
 * seconds. With {@code -Disthmus.fuzz.seconds=N} each reader has a process and N seconds of its own, or only that of
 * {@code -Disthmus.fuzz.reader=NAME}, and what it learns is kept in {@code target/fuzz} for the next time;
 * docs/fuzzing.md has the commands. Seeds and findings lie under {@code src/test/resources/fuzz}, and every build reads
 * each of them.
 */
class FuzzTest {

    private static final Path KEPT = Path.of("target/fuzz");
    private static final int SHORT_SECONDS = 6;

    @TempDir
    Path directory;

    @TestFactory
    Stream<DynamicTest> everySeedAndFindingIsAcceptedOrRefusedWithATypedError() {
        return Arrays.stream(FuzzedReader.values()).flatMap(reader -> Fuzzing.seeds(reader).stream().map(seed ->
                DynamicTest.dynamicTest(reader.folder() + "/" + seed.getFileName(), () -> {
                    Path folder = Files.createTempDirectory(directory, reader.folder());
                    reader.prepare(folder);
                    boolean accepted = reader.accepts(folder, Files.readAllBytes(seed));
                    String name = seed.getFileName().toString();
                    // A finding has the name that Jazzer gave it: it must only end well.
                    if (name.startsWith("accepted-") || name.startsWith("refused-")) {
                        assertEquals(name.startsWith("accepted-"), accepted);
                    }
                })));
    }

    @Test
    void theReadersWithstandMutatedFiles() throws Exception {
        Integer seconds = Integer.getInteger("isthmus.fuzz.seconds");
        String reader = System.getProperty("isthmus.fuzz.reader");
        Fuzzing fuzzing = new Fuzzing(KEPT, directory);
        if (seconds != null) {
            fuzzing.inTurn(Fuzzing.readers(reader), seconds);
        } else {
            assertEquals(null, reader, "isthmus.fuzz.reader needs isthmus.fuzz.seconds");
            fuzzing.together(SHORT_SECONDS);
        }
    }

    @Test
    void readersAreFuzzedInTurn() throws Exception {
        Path kept = directory.resolve("kept");
        new Fuzzing(kept, directory).inTurn(List.of(FuzzedReader.INDEX, FuzzedReader.MERGES), 1);
        for (FuzzedReader reader : List.of(FuzzedReader.INDEX, FuzzedReader.MERGES)) {
            assertTrue(Files.exists(kept.resolve(reader.folder() + ".log")), reader.folder());
        }
    }

    @Test
    void aWorkFolderServesReaderAfterReader() throws Exception {
        for (FuzzedReader reader : Fuzzing.readers(null)) {
            FuzzTarget.fuzzerInitialize(new String[] {directory.toString(), reader.name()});
            for (Path seed : Fuzzing.seeds(reader)) {
                FuzzTarget.fuzzerTestOneInput(Files.readAllBytes(seed));
            }
        }
    }

    @Test
    void aReaderThatIsNotThereFails() {
        assertEquals(List.of(FuzzedReader.GGUF), Fuzzing.readers("gguf"));
        assertThrows(AssertionError.class, () -> Fuzzing.readers("pickle"));
    }

    @Test
    void fuzzingForNoTimeFails() {
        Fuzzing fuzzing = new Fuzzing(directory, directory);
        assertThrows(AssertionError.class, () -> fuzzing.inTurn(Fuzzing.readers("index"), 0));
    }
}
