package dev.isthmus.engine.fuzz;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;

/** What Jazzer calls in a process of its own; {@link FuzzTest} starts it. */
public final class FuzzTarget {

    private static final FuzzedReader[] READERS = FuzzedReader.values();

    private static FuzzedReader only;
    private static Path directory;

    private FuzzTarget() {}

    /**
     * Prepares.
     *
     * @param arguments a directory to work in, and the reader's name; without it, an input's first byte chooses one
     */
    public static void fuzzerInitialize(String[] arguments) throws IOException {
        directory = Path.of(arguments[0]);
        only = arguments.length > 1 ? FuzzedReader.valueOf(arguments[1]) : null;
        for (FuzzedReader reader : READERS) {
            reader.prepare(directory.resolve(reader.folder()));
        }
    }

    /** Reads one input; returns normally if it was accepted or refused with a typed error. */
    public static void fuzzerTestOneInput(byte[] input) throws IOException {
        if (only != null) {
            read(only, input);
        } else if (input.length > 0) {
            read(READERS[Math.floorMod(input[0], READERS.length)], Arrays.copyOfRange(input, 1, input.length));
        }
    }

    private static void read(FuzzedReader reader, byte[] bytes) throws IOException {
        reader.accepts(directory.resolve(reader.folder()), bytes);
    }
}
