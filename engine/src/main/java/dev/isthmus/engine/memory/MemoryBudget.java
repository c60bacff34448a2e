package dev.isthmus.engine.memory;

import java.util.List;
import java.util.Locale;
import java.util.concurrent.CopyOnWriteArrayList;

/**
 * The memory outside the Java heap that all models of a process share: their weights, the keys and values of their
 * sessions, and what their passes compute in. Native memory that runs out takes the JVM or its container down, so it
 * must not come to that. Any number of threads may use it.
 *
 * <p>Caches and scratch may take half of the machine's or the container's memory, or what the weights and the largest
 * Java heap leave of it where that is less. Beyond that, what others on the machine have taken counts as well: it is
 * asked again after every 16 MB.
 */
public final class MemoryBudget {

    /** That of the process. */
    public static final MemoryBudget PROCESS = new MemoryBudget(new SystemMemory(), Runtime.getRuntime().maxMemory());

    /** As much as any machine has, so that it need not be asked. */
    private static final long LITTLE = 16L << 20;

    /** What the JVM takes outside its heap: code, classes, threads. */
    private static final long JVM_BYTES = 96L << 20;

    /** What must stay free after weights are read, for the JVM to go on and a first pass to run. */
    private static final long ROOM = 32L << 20;

    /** How much may be taken before the system is asked again. */
    private static final long ASKED_EVERY = 16L << 20;

    private final SystemMemory system;
    private final long maxHeap;
    private final List<Reclaimable> reclaimables = new CopyOnWriteArrayList<>();
    private long total;
    private long weights;
    private long loading;
    private long taken;
    private long takenWhenAsked;

    /** What holds memory only as long as nobody else needs it. */
    public interface Reclaimable {

        /** The bytes that it could give back. */
        long reclaimableBytes();

        /** Gives back some memory, at least that many bytes if it has them; false if it had none. */
        boolean reclaim(long bytes);
    }

    /** Weights did not fit: how much there is for them. */
    public record Shortage(long available, SystemMemory.Figures figures) {

        /** The limit in words, such as "this container has 419 MB (400 MiB)". */
        public String limit() {
            return String.format(Locale.ROOT, "this %s has %d MB (%d MiB), of which %d MB are left for weights",
                    figures.container() ? "container" : "machine", figures.total() / 1_000_000, figures.total() >> 20,
                    available / 1_000_000);
        }
    }

    /**
     * A budget of its own, for tests.
     *
     * @param system what the machine or container has
     * @param maxHeap the bytes that the Java heap may grow to
     */
    public MemoryBudget(SystemMemory system, long maxHeap) {
        this.system = system;
        this.maxHeap = maxHeap;
    }

    /** Weights that are being read; closed when they have been, or could not be. */
    public final class Loading implements AutoCloseable {

        private final long bytes;
        private final Shortage shortage;

        private Loading(long bytes, Shortage shortage) {
            this.bytes = bytes;
            this.shortage = shortage;
        }

        /** Why the weights must not be read; null if they may be. */
        public Shortage shortage() {
            return shortage;
        }

        @Override
        public void close() {
            synchronized (MemoryBudget.this) {
                loading -= bytes;
            }
        }
    }

    /** Announces that this many bytes of weights are about to be read to memory. */
    public Loading load(long bytes) {
        if (bytes <= LITTLE) {
            return new Loading(0, null);
        }
        Shortage shortage = shortage(bytes);
        while (shortage != null && reclaim(bytes)) {
            shortage = shortage(bytes);
        }
        return new Loading(shortage == null ? bytes : 0, shortage);
    }

    private synchronized Shortage shortage(long bytes) {
        SystemMemory.Figures figures = system.figures();
        long available = Math.max(0, figures.available() - loading - ROOM);
        if (bytes > available) {
            return new Shortage(available, figures);
        }
        loading += bytes;
        return null;
    }

    /** Counts weights that have been read; a negative number where they have been freed. */
    public synchronized void addWeights(long bytes) {
        weights += bytes;
    }

    /**
     * Takes memory for a cache or a pass, for which blocks that nobody uses make room.
     *
     * @return false if there is not so much left
     */
    public boolean take(long bytes) {
        while (!tryTake(bytes)) {
            if (!reclaim(bytes)) {
                return false;
            }
        }
        return true;
    }

    private synchronized boolean tryTake(long bytes) {
        long sum = taken + bytes;
        if (sum > LITTLE && (sum > capacity() || sum - takenWhenAsked > ASKED_EVERY && !hasLeft(bytes))) {
            return false;
        }
        taken = sum;
        return true;
    }

    /** Asks the system whether it has that many bytes. */
    private boolean hasLeft(long bytes) {
        if (system.figures().available() - loading - ROOM / 2 < bytes) {
            return false;
        }
        takenWhenAsked = taken + bytes;
        return true;
    }

    /** Counts memory that was taken without asking, for which blocks that nobody uses make room; negative: given back. */
    public void takeAnyway(long bytes) {
        if (bytes <= 0) {
            giveBack(-bytes);
        } else if (!take(bytes)) {
            synchronized (this) {
                taken += bytes;
            }
        }
    }

    /** Gives memory back that {@link #take} gave. */
    public synchronized void giveBack(long bytes) {
        taken -= bytes;
        takenWhenAsked = Math.min(takenWhenAsked, taken);
    }

    /** The bytes that all caches and passes may take together. */
    public synchronized long capacity() {
        if (total == 0) {
            total = system.figures().total();
        }
        long besideHeap = total - JVM_BYTES - weights;
        // Where the heap could take everything, it has two thirds of what weights leave.
        long left = Math.max(besideHeap - maxHeap, besideHeap / 3);
        return Math.max(0, Math.min(total / 2, left));
    }

    /** The bytes that could still be taken, with what nobody uses given back. */
    public long available() {
        long reclaimable = reclaimables.stream().mapToLong(Reclaimable::reclaimableBytes).sum();
        synchronized (this) {
            return Math.max(0, capacity() - taken + reclaimable);
        }
    }

    /** Lets the budget take memory back from something. */
    public void register(Reclaimable holder) {
        reclaimables.add(holder);
    }

    /** Ends {@link #register}. */
    public void unregister(Reclaimable holder) {
        reclaimables.remove(holder);
    }

    private boolean reclaim(long bytes) {
        for (Reclaimable holder : reclaimables) {
            if (holder.reclaim(bytes)) {
                return true;
            }
        }
        return false;
    }
}
