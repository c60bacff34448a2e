package dev.isthmus.engine.model;

import dev.isthmus.engine.errors.CancelledException;
import dev.isthmus.engine.kernels.RowBatch;
import dev.isthmus.engine.memory.MemoryBudget;
import dev.isthmus.engine.tensor.Place;
import dev.isthmus.engine.tensor.Tensor;
import java.lang.foreign.Arena;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;

/**
 * What forward passes compute in: a batch and scratch for each of a few passes at a time. Those who come when all are
 * lent wait in turn, so that the memory does not grow with the number of callers. What nobody has used for some seconds
 * is freed. Any number of threads may use it.
 *
 * <p>Callers' own code may run while a pass is lent: visitors and observers, who may wait for other passes of the same
 * model. So a thread that has one gets another at once, and when no pass has moved for a while because all wait for
 * callers' code, one more is lent than there should be.
 */
public final class PassPool implements AutoCloseable {

    /** How often a waiting caller checks whether it is cancelled. */
    private static final long POLL_NANOS = TimeUnit.MILLISECONDS.toNanos(20);
    private static final long STUCK_NANOS = TimeUnit.MILLISECONDS.toNanos(200);

    private final Gpt2Forward forward;
    private final MemoryBudget budget;
    private final int maxPasses;
    private final long idleNanos;
    private final ReentrantLock lock = new ReentrantLock();
    private final Deque<Condition> waiting = new ArrayDeque<>();
    /** Those that were used last come first. There is room for all, so that giving one back allocates nothing. */
    private final Deque<Pass> idle;
    private final List<Pass> lent;
    private int computing;
    private volatile long lastMove;
    private boolean sweepPlanned;
    private long bytes;
    /** What the backend's operations work in, as the budget counts it. */
    private long workspaceBytes;
    private boolean closed;

    /**
     * An empty pool of a few more passes than the machine has processors.
     *
     * @param budget what scratch is counted in
     */
    public PassPool(Gpt2Forward forward, MemoryBudget budget) {
        this(forward, budget, Math.clamp(Runtime.getRuntime().availableProcessors() + 2L, 4, 16),
                TimeUnit.SECONDS.toNanos(5));
    }

    /**
     * An empty pool.
     *
     * @param maxPasses how many passes there may be at a time
     * @param idleNanos how long one is kept that nobody uses
     */
    PassPool(Gpt2Forward forward, MemoryBudget budget, int maxPasses, long idleNanos) {
        this.forward = forward;
        this.budget = forward.place() == Place.HOST ? budget : null;
        this.maxPasses = maxPasses;
        this.idleNanos = idleNanos;
        idle = new ArrayDeque<>(2 * maxPasses);
        lent = new ArrayList<>(2 * maxPasses);
    }

    /** As {@link #borrow(LayerProbe)}, for one whom nobody cancels. */
    public Pass borrow() {
        return borrow(LayerProbe.NONE);
    }

    /**
     * A pass, the caller's until it is closed; waits in turn where there are too many.
     *
     * @param probe says when the caller no longer wants it
     * @throws CancelledException if the probe says so or the thread is interrupted while it waits
     */
    public Pass borrow(LayerProbe probe) {
        lock.lock();
        try {
            if ((lent.size() >= maxPasses || !waiting.isEmpty()) && !hasOne(Thread.currentThread())) {
                await(probe);
            }
            Pass pass = idle.isEmpty() ? new Pass() : idle.peekFirst();
            lent.add(pass);
            idle.remove(pass);
            pass.owner = Thread.currentThread();
            lastMove = System.nanoTime();
            return pass;
        } finally {
            wakeNext();
            lock.unlock();
        }
    }

    private boolean hasOne(Thread thread) {
        return lent.stream().anyMatch(pass -> pass.owner == thread);
    }

    private void await(LayerProbe probe) {
        Condition turn = lock.newCondition();
        waiting.addLast(turn);
        try {
            while (waiting.peekFirst() != turn || lent.size() >= maxPasses && !isStuck()) {
                if (probe.cancelled()) {
                    throw new CancelledException("waiting for other passes of the model to end: cancelled by the"
                            + " caller");
                }
                turn.awaitNanos(POLL_NANOS);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new CancelledException("waiting for other passes of the model to end: the thread was interrupted");
        } finally {
            waiting.remove(turn);
        }
    }

    /** Whether every pass that is lent waits for its caller's code. */
    private boolean isStuck() {
        return computing == 0 && System.nanoTime() - lastMove > STUCK_NANOS;
    }

    private void wakeNext() {
        Condition next = waiting.peekFirst();
        if (next != null) {
            next.signal();
        }
    }

    private void giveBack(Pass pass) {
        lock.lock();
        try {
            lent.remove(pass);
            pass.owner = null;
            lastMove = System.nanoTime();
            pass.idleSince = lastMove;
            idle.addFirst(pass);
            planSweep(idleNanos);
        } finally {
            wakeNext();
            lock.unlock();
        }
    }

    private void planSweep(long nanos) {
        if (sweepPlanned || closed) {
            return;
        }
        try {
            CompletableFuture.delayedExecutor(nanos, TimeUnit.NANOSECONDS).execute(this::sweep);
            sweepPlanned = true;
        } catch (VirtualMachineError | LinkageError | RejectedExecutionException cannot) {
            // Memory may have run out; the next pass that is given back plans it.
        }
    }

    /**
     * Frees what was idle for long; of passes that a device has recorded, which take time to record, one stays. Needs
     * no memory, since it may be that which lacks.
     */
    private void sweep() {
        Pass old = null;
        boolean quiet;
        lock.lock();
        try {
            sweepPlanned = false;
            long now = System.nanoTime();
            while (!idle.isEmpty() && now - idle.peekLast().idleSince >= idleNanos && !onlyRecordedIsIdle()) {
                Pass pass = idle.removeLast();
                pass.nextToFree = old;
                old = pass;
            }
            quiet = idle.isEmpty() && lent.isEmpty();
            if (!idle.isEmpty() && !onlyRecordedIsIdle()) {
                planSweep(idle.peekLast().idleSince + idleNanos - now);
            }
        } finally {
            lock.unlock();
        }
        // Without the lock: a device has locks of its own.
        for (Pass pass = old; pass != null; pass = pass.nextToFree) {
            pass.free();
        }
        if (quiet) {
            forward.releaseIdle();
            recountWorkspaces();
        }
    }

    private boolean onlyRecordedIsIdle() {
        return idle.size() == 1 && idle.peekLast().scratch.isRecorded();
    }

    /** The bytes that passes compute in, lent or idle. */
    public long bytes() {
        lock.lock();
        try {
            return bytes + workspaceBytes;
        } finally {
            lock.unlock();
        }
    }

    private void count(long change) {
        lock.lock();
        try {
            bytes += change;
        } finally {
            lock.unlock();
        }
        if (budget != null && change != 0) {
            budget.takeAnyway(change);
        }
    }

    /** Brings the budget up to date with what the backend's operations work in. */
    private void recountWorkspaces() {
        long change;
        lock.lock();
        try {
            long now = forward.workspaceBytes();
            change = now - workspaceBytes;
            workspaceBytes = now;
        } finally {
            lock.unlock();
        }
        if (budget != null && change != 0) {
            budget.takeAnyway(change);
        }
    }

    private void compute(int change) {
        lock.lock();
        try {
            computing += change;
            lastMove = System.nanoTime();
        } finally {
            lock.unlock();
        }
    }

    /** Frees what is not lent. */
    @Override
    public void close() {
        List<Pass> all;
        lock.lock();
        try {
            closed = true;
            all = List.copyOf(idle);
            idle.clear();
        } finally {
            lock.unlock();
        }
        all.forEach(Pass::free);
        forward.releaseIdle();
        recountWorkspaces();
    }

    /** What one pass computes in. Not safe for use by several threads at once. */
    public final class Pass implements AutoCloseable {

        private final Arena arena = Arena.ofShared();
        private final RowBatch batch = new RowBatch(arena);
        private final Scratch scratch = forward.newScratch();
        private long counted;
        private Thread owner;
        private long idleSince;
        private Pass nextToFree;

        private Pass() {}

        /** Takes the rows to compute, at most so many. What only a prompt's passes need is freed before caches grow. */
        public RowBatch batch(int most) {
            scratch.expect(most);
            batch.clear();
            return batch;
        }

        /**
         * Computes the batch on a platform thread, while callers' code that the probe calls runs on this one; see
         * {@link Gpt2Forward#forward}.
         */
        public Tensor forward(int[] outputRows, LayerProbe probe) {
            return Offload.call((Executor caller) -> {
                compute(1);
                try {
                    return forward.forward(batch, outputRows, scratch, probe.calling(code -> caller.execute(() -> {
                        compute(-1);
                        try {
                            code.run();
                        } finally {
                            compute(1);
                        }
                    })));
                } finally {
                    compute(-1);
                    recount(scratch.bytes());
                    recountWorkspaces();
                }
            });
        }

        /** Reads results, which on a device waits for what computes them. */
        public void read(Runnable reading) {
            if (forward.place() == Place.DEVICE) {
                Offload.run(reading);
            } else {
                reading.run();
            }
        }

        /** Says that the caller's code goes on with the results. */
        public void moves() {
            lastMove = System.nanoTime();
        }

        private void recount(long now) {
            count(now - counted);
            counted = now;
        }

        private void free() {
            scratch.close();
            arena.close();
            recount(0);
        }

        /** Gives it back. */
        @Override
        public void close() {
            batch.clear();
            giveBack(this);
        }
    }
}
