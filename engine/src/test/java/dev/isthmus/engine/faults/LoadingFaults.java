package dev.isthmus.engine.faults;

import dev.isthmus.engine.api.BackendChoice;
import dev.isthmus.engine.api.Model;
import dev.isthmus.engine.api.ModelOptions;
import dev.isthmus.engine.errors.CheckpointException;
import dev.isthmus.engine.errors.EngineException;
import dev.isthmus.engine.errors.UnsupportedModelException;
import dev.isthmus.engine.faults.FaultyFiles.Fault;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.Deque;

/**
 * A process that opens a model again and again while one thing after another goes wrong, and fails unless each ends in
 * a model or in a typed error. It stops after warming up and at the end, so that its memory can be read from outside;
 * the last line that it prints counts what it did.
 */
final class LoadingFaults {

    private static final ModelOptions OPTIONS = ModelOptions.DEFAULT.withBackend(BackendChoice.CPU).withThreads(2);

    /** At most what the smallest tensor takes, so that each allocation is one that fails. */
    private static final int BALLAST_BYTES = 64;

    private final Path model;
    private final Path weights;
    private int refused;
    private int opened;

    private LoadingFaults(Path model, Path weights) {
        this.model = model;
        this.weights = weights;
    }

    /**
     * Runs.
     *
     * @param arguments what goes wrong, the model, its file of weights, and where the file's header ends
     */
    public static void main(String[] arguments) throws Exception {
        LoadingFaults faults = new LoadingFaults(Path.of(arguments[1]), Path.of(arguments[2]));
        Model.open(faults.model, OPTIONS).close();
        Model.open(faults.model, OPTIONS).close();
        pause("warm");
        switch (arguments[0]) {
            case "bytes" -> faults.damageBytes(Integer.parseInt(arguments[3]));
            case "reads" -> faults.failReads();
            case "allocations" -> faults.failAllocations();
            default -> throw new IllegalArgumentException(arguments[0]);
        }
        pause("refused " + faults.refused + ", opened " + faults.opened);
    }

    private static void pause(String line) throws IOException {
        System.gc();
        System.out.println(line);
        if (System.in.read() != '\n') {
            throw new IOException("nobody waits for this process");
        }
    }

    /** Cuts the file at every byte of its header and at some of its data, and changes every byte of its header. */
    private void damageBytes(int headerEnd) throws IOException {
        byte[] whole = Files.readAllBytes(weights);
        int step = Math.max(1, (whole.length - headerEnd) / 61);
        // Whether its last padding is there does not matter to a GGUF file.
        for (int length = 0; length < whole.length - 32; length += length < headerEnd ? 1 : step) {
            Files.write(weights, Arrays.copyOf(whole, length));
            if (open(model)) {
                throw new AssertionError("a file cut off after " + length + " bytes was opened");
            }
        }
        for (int at = 0; at < headerEnd; at++) {
            for (int flip : new int[] {0x01, 0xFF}) {
                byte[] changed = whole.clone();
                changed[at] ^= (byte) flip;
                Files.write(weights, changed);
                open(model);
            }
        }
        Files.write(weights, whole);
    }

    /** Fails the first read, then the second, and so on, until opening takes fewer reads. */
    private void failReads() {
        for (Fault fault : Fault.values()) {
            boolean failed = true;
            for (int n = 1; failed; n++) {
                FaultyFiles files = new FaultyFiles(fault, n);
                boolean ended = open(files.path(model));
                failed = files.failed();
                if (files.open() != 0) {
                    throw new AssertionError(files.open() + " files left open after " + fault + " at read " + n);
                }
                if (fault == Fault.ERROR && ended == failed) {
                    throw new AssertionError("read " + n + " failed: " + failed + ", opened: " + ended);
                }
            }
        }
    }

    /** Takes all memory outside the heap that the process may have, and gives it back bit by bit. */
    private void failAllocations() {
        Deque<Arena> ballast = new ArrayDeque<>();
        try {
            fill(ballast, 1 << 20);
            fill(ballast, BALLAST_BYTES);
            boolean open = false;
            while (!open) {
                open = open(model);
                if (ballast.isEmpty()) {
                    throw new AssertionError("all memory is free again and the model does not open");
                }
                ballast.pop().close();
            }
        } finally {
            ballast.forEach(Arena::close);
        }
    }

    private static void fill(Deque<Arena> ballast, int bytes) {
        while (true) {
            Arena arena = Arena.ofConfined();
            try {
                arena.allocate(bytes);
                ballast.push(arena);
            } catch (OutOfMemoryError full) {
                arena.close();
                return;
            }
        }
    }

    /** Opens the model and closes it again; false if it is refused. Any other end is a fault. */
    private boolean open(Path path) {
        try {
            Model.open(path, OPTIONS).close();
            opened++;
            return true;
        } catch (EngineException e) {
            if (!(e instanceof CheckpointException || e instanceof UnsupportedModelException)
                    || e.getMessage().length() < 20) {
                throw new AssertionError("expected an error that says what is wrong with the file", e);
            }
            refused++;
            return false;
        }
    }
}
