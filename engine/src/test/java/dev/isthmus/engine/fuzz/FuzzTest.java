package dev.isthmus.engine.fuzz;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.isthmus.engine.ChildJvm;
import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
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

    private static final Path SEEDS = Path.of("src/test/resources/fuzz");
    private static final Path KEPT = Path.of("target/fuzz");
    private static final int SHORT_SECONDS = 6;
    private static final Pattern DONE = Pattern.compile("Done (\\d+) runs in (\\d+) second");
    private static final Pattern COVERAGE = Pattern.compile("DONE\\s+cov: (\\d+)");

    @TempDir
    Path directory;

    @TestFactory
    Stream<DynamicTest> everySeedAndFindingIsAcceptedOrRefusedWithATypedError() {
        return Arrays.stream(FuzzedReader.values()).flatMap(reader -> seeds(reader).stream().map(seed ->
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
        if (seconds == null) {
            Path corpus = Files.createDirectory(directory.resolve("corpus"));
            for (FuzzedReader reader : FuzzedReader.values()) {
                for (Path seed : seeds(reader)) {
                    byte[] bytes = Files.readAllBytes(seed);
                    byte[] input = new byte[bytes.length + 1];
                    input[0] = (byte) reader.ordinal();
                    System.arraycopy(bytes, 0, input, 1, bytes.length);
                    Files.write(corpus.resolve(reader.folder() + "-" + seed.getFileName()), input);
                }
            }
            fuzz("all readers", SHORT_SECONDS, corpus, List.of());
            return;
        }
        String wanted = System.getProperty("isthmus.fuzz.reader");
        for (FuzzedReader reader : FuzzedReader.values()) {
            if (wanted == null || wanted.equals(reader.folder())) {
                Path corpus = Files.createDirectories(KEPT.resolve(reader.folder()));
                for (Path seed : seeds(reader)) {
                    Files.copy(seed, corpus.resolve(seed.getFileName()), StandardCopyOption.REPLACE_EXISTING);
                }
                fuzz(reader.folder(), seconds, corpus, List.of(reader.name()));
            }
        }
    }

    private void fuzz(String what, int seconds, Path corpus, List<String> reader) throws Exception {
        Files.createDirectories(KEPT);
        Path log = KEPT.resolve(what.replace(' ', '-') + ".log");
        List<String> arguments = new ArrayList<>(List.of(directory.resolve("work").toAbsolutePath().toString()));
        arguments.addAll(reader);
        // A reader that takes more memory for such small files is at fault.
        List<String> options = List.of("-Xmx512m", "-XX:TieredStopAtLevel=" + (reader.isEmpty() ? 1 : 4));
        Process process = ChildJvm.of(options, "com.code_intelligence.jazzer.Jazzer", List.of(
                "--target_class=" + FuzzTarget.class.getName(), "--target_args=" + String.join(" ", arguments),
                "--instrumentation_includes=dev.isthmus.**:com.fasterxml.jackson.core.**",
                "--reproducer_path=" + KEPT, "-artifact_prefix=" + KEPT + File.separator, "-max_total_time=" + seconds,
                "-max_len=16384", "-timeout=10", "-rss_limit_mb=0", "-print_final_stats=1", corpus.toString()))
                .redirectOutput(log.toFile()).start();
        int exitCode = process.waitFor();
        String output = Files.readString(log);
        assertEquals(0, exitCode, () -> what + ": fuzzing found a fault, or could not begin. The input is in " + KEPT
                + " under the name that Jazzer says; put it into " + SEEDS + "/READER and mend the reader. Jazzer: …"
                + output.substring(Math.max(0, output.length() - 6000)));
        Matcher done = DONE.matcher(output);
        Matcher coverage = COVERAGE.matcher(output);
        assertTrue(done.find() && Long.parseLong(done.group(1)) > 1000, output);
        assertTrue(coverage.find() && Integer.parseInt(coverage.group(1)) > 100, "guided by coverage: " + output);
        System.out.println(what + ": " + done.group() + "s, " + coverage.group(1) + " edges covered");
    }

    private static List<Path> seeds(FuzzedReader reader) {
        try (Stream<Path> files = Files.list(SEEDS.resolve(reader.folder()))) {
            return files.sorted().toList();
        } catch (IOException e) {
            throw new AssertionError("no seeds for " + reader, e);
        }
    }
}
