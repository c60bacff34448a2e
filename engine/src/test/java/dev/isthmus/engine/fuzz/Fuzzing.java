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

/**
 * Runs Jazzer in processes of its own, and fails where one finds a fault.
 *
 * @param kept where corpora, logs and findings stay
 * @param scratch where each process gets a new folder to work in
 */
record Fuzzing(Path kept, Path scratch) {

    static final Path SEEDS = Path.of("src/test/resources/fuzz");

    /** A process that executes no more inputs than this has not fuzzed; one of a few seconds may execute fewer. */
    private static final int MIN_RUNS = 1000;
    private static final int MIN_RUNS_PER_SECOND = 10;

    private static final Pattern DONE = Pattern.compile("Done (\\d+) runs in (\\d+) second");
    private static final Pattern COVERAGE = Pattern.compile("DONE\\s+cov: (\\d+)");

    /**
     * Finds the readers that are asked for.
     *
     * @param folder the name of one, or null for all
     */
    static List<FuzzedReader> readers(String folder) {
        List<FuzzedReader> readers = Arrays.stream(FuzzedReader.values())
                .filter(reader -> folder == null || folder.equals(reader.folder())).toList();
        assertTrue(!readers.isEmpty(), () -> "isthmus.fuzz.reader: there is no reader " + folder + "; there are "
                + Stream.of(FuzzedReader.values()).map(FuzzedReader::folder).toList());
        return readers;
    }

    /** Fuzzes all readers in one process. */
    void together(int seconds) throws Exception {
        Path corpus = Files.createTempDirectory(scratch, "corpus");
        for (FuzzedReader reader : FuzzedReader.values()) {
            for (Path seed : seeds(reader)) {
                byte[] bytes = Files.readAllBytes(seed);
                byte[] input = new byte[bytes.length + 1];
                input[0] = (byte) reader.ordinal();
                System.arraycopy(bytes, 0, input, 1, bytes.length);
                Files.write(corpus.resolve(reader.folder() + "-" + seed.getFileName()), input);
            }
        }
        fuzz("all readers", seconds, MIN_RUNS, corpus, List.of());
    }

    /** Fuzzes readers one after another, each in a process of its own that begins with the corpus kept for it. */
    void inTurn(List<FuzzedReader> readers, int seconds) throws Exception {
        assertTrue(seconds > 0, () -> "isthmus.fuzz.seconds: expected at least 1 second a reader, found " + seconds);
        for (FuzzedReader reader : readers) {
            Path corpus = Files.createDirectories(kept.resolve(reader.folder()));
            for (Path seed : seeds(reader)) {
                Files.copy(seed, corpus.resolve(seed.getFileName()), StandardCopyOption.REPLACE_EXISTING);
            }
            int minRuns = (int) Math.min(MIN_RUNS, (long) MIN_RUNS_PER_SECOND * seconds);
            fuzz(reader.folder(), seconds, minRuns, corpus, List.of(reader.name()));
        }
    }

    private void fuzz(String what, int seconds, int minRuns, Path corpus, List<String> reader) throws Exception {
        Files.createDirectories(kept);
        Path log = kept.resolve(what.replace(' ', '-') + ".log");
        List<String> arguments = new ArrayList<>();
        arguments.add(Files.createTempDirectory(scratch, "work").toAbsolutePath().toString());
        arguments.addAll(reader);
        // A reader that takes more memory for such small files is at fault.
        List<String> options = List.of("-Xmx512m", "-XX:TieredStopAtLevel=" + (reader.isEmpty() ? 1 : 4));
        Process process = ChildJvm.of(options, "com.code_intelligence.jazzer.Jazzer", List.of(
                "--target_class=" + FuzzTarget.class.getName(), "--target_args=" + String.join(" ", arguments),
                "--instrumentation_includes=dev.isthmus.**:com.fasterxml.jackson.core.**",
                "--reproducer_path=" + kept, "-artifact_prefix=" + kept + File.separator, "-max_total_time=" + seconds,
                "-max_len=16384", "-timeout=10", "-rss_limit_mb=0", "-print_final_stats=1", corpus.toString()))
                .redirectOutput(log.toFile()).start();
        int exitCode = process.waitFor();
        String output = Files.readString(log);
        assertEquals(0, exitCode, () -> what + ": fuzzing found a fault, or could not begin. The input is in " + kept
                + " under the name that Jazzer says; put it into " + SEEDS + "/READER and mend the reader. Jazzer: …"
                + output.substring(Math.max(0, output.length() - 6000)));
        Matcher done = DONE.matcher(output);
        Matcher coverage = COVERAGE.matcher(output);
        assertTrue(done.find() && Long.parseLong(done.group(1)) > minRuns, output);
        assertTrue(coverage.find() && Integer.parseInt(coverage.group(1)) > 100, "guided by coverage: " + output);
        System.out.println(what + ": " + done.group() + "s, " + coverage.group(1) + " edges covered");
    }

    /** The seeds and findings of a reader. */
    static List<Path> seeds(FuzzedReader reader) {
        try (Stream<Path> files = Files.list(SEEDS.resolve(reader.folder()))) {
            return files.sorted().toList();
        } catch (IOException e) {
            throw new AssertionError("no seeds for " + reader, e);
        }
    }
}
