package dev.isthmus.engine.model;

import dev.isthmus.engine.weights.Checkpoint;
import dev.isthmus.engine.weights.TensorInfo;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.BiConsumer;

/** Reads many tensors with a few threads, and reports how far it is. */
final class ParallelRead {

    /** Small enough that the threads end together and progress is smooth, large enough that a read is efficient. */
    private static final long PIECE_ELEMENTS = 1 << 22;

    private final Checkpoint checkpoint;
    private final int threads;
    private final BiConsumer<Long, Long> progress;
    private final long total;
    private long done;

    /**
     * Prepares to read.
     *
     * @param threads how many may read at a time, the caller's included
     * @param total the bytes that will be read in all {@link #run}s together
     * @param progress told (bytes read, total), one call at a time
     */
    ParallelRead(Checkpoint checkpoint, int threads, long total, BiConsumer<Long, Long> progress) {
        if (threads < 1) {
            throw new IllegalArgumentException("threads must be >= 1, found " + threads);
        }
        this.checkpoint = checkpoint;
        this.threads = threads;
        this.total = total;
        this.progress = progress;
    }

    /** One tensor and the memory for its elements as F32. */
    record Target(TensorInfo tensor, MemorySegment into) {}

    /**
     * Reads all targets. Returns, with or without a failure, only after every thread has ended, so that the caller
     * may free the memory.
     */
    void run(List<Target> targets) {
        List<Runnable> pieces = new ArrayList<>();
        for (Target target : targets) {
            long elements = target.tensor().shape().elements();
            for (long first = 0; first < elements; first += PIECE_ELEMENTS) {
                long start = first;
                long count = Math.min(PIECE_ELEMENTS, elements - first);
                pieces.add(() -> read(target, start, count));
            }
        }
        runAll(pieces, threads);
    }

    private void read(Target target, long first, long count) {
        checkpoint.readF32(target.tensor(), first, target.into().asSlice(first * Float.BYTES, count * Float.BYTES));
        advance(target.tensor().type().bytes(count));
    }

    /**
     * Does all tasks on at most {@code threads} threads, the caller's included, in about the order of the list. After
     * a failure no further one begins; it is thrown when every thread has ended.
     */
    static void runAll(List<? extends Runnable> tasks, int threads) {
        AtomicInteger next = new AtomicInteger();
        AtomicReference<Throwable> failure = new AtomicReference<>();
        Runnable work = () -> {
            try {
                int i;
                while (failure.get() == null && (i = next.getAndIncrement()) < tasks.size()) {
                    tasks.get(i).run();
                }
            } catch (RuntimeException | Error e) {
                failure.compareAndSet(null, e);
            }
        };
        List<Thread> helpers = new ArrayList<>();
        try {
            for (int i = 1; i < Math.min(threads, tasks.size()); i++) {
                helpers.add(Thread.ofPlatform().name("isthmus-load-" + i).daemon().start(work));
            }
            work.run();
        } finally {
            joinAll(helpers);
        }
        switch (failure.get()) {
            case null -> { }
            case RuntimeException e -> throw e;
            case Error e -> throw e;
            case Throwable e -> throw new AssertionError(e);
        }
    }

    /** Counts bytes as read. */
    synchronized void advance(long bytes) {
        done += bytes;
        progress.accept(done, total);
    }

    private static void joinAll(List<Thread> helpers) {
        boolean interrupted = false;
        for (Thread helper : helpers) {
            while (true) {
                try {
                    helper.join();
                    break;
                } catch (InterruptedException e) {
                    interrupted = true;
                }
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }
}
