package dev.isthmus.engine.api;

import dev.isthmus.engine.checks.Arguments;
import dev.isthmus.engine.errors.CancelledException;
import dev.isthmus.engine.errors.ClosedException;
import dev.isthmus.engine.errors.ConcurrentUseException;
import dev.isthmus.engine.errors.ContextFullException;
import dev.isthmus.engine.errors.DeadlineExceededException;
import dev.isthmus.engine.errors.InvalidInputException;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.LockSupport;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Consumer;
import jdk.jfr.FlightRecorder;

/**
 * Continues texts for many callers at once, as one continuous batch: a step reads a token of every request that
 * generates, which takes little longer than of one, and with them a part of the prompts. Requests come and go between
 * steps, in the order in which they were submitted. When the batch is full, or the memory for the keys and values of a
 * longest text is not there, they wait in a queue, and when that is full {@link #submit} waits. Prefixes that requests
 * have in common with each other or with open sessions are shared, as {@link Session} says.
 *
 * <p>A request gives what a session of its own would give: where the kernels are the C ones or the reference, the same
 * bits, whoever else is in the batch. With plain Java and OpenBLAS, logits differ by rounding with the size of the
 * batch. Where sessions take the memory that running requests count on, the youngest of these give up their keys and
 * values and read their text again later; only a request that has the memory to itself and still lacks some ends with an
 * {@link dev.isthmus.engine.errors.OutOfMemoryException}.
 *
 * <p>Of several prompts the one with the fewest tokens left is read first, but none waits for more tokens of others than
 * it has itself. While other requests generate, so few tokens of prompts are read in a step that it takes at most about
 * twice as long.
 *
 * <p>Every request that is taken ends, also when the Java heap is full for a while: what ends one needs no memory.
 *
 * <p>Any number of threads may use it, virtual ones too. One thread of its own computes and chooses the tokens, so a
 * {@link LogitsProcessor} that waits holds up all requests, but not the end of those whose time is over. That thread runs
 * none of the callers' other code.
 */
public final class BatchingExecutor implements AutoCloseable {

    private final Model model;
    private final BatchingOptions options;
    private final CacheDemand demand;
    private final ContinuousBatch batch;
    private final ResultThread results = new ResultThread();
    private final Thread thread;
    private final Runnable changed = this::wake;
    private final ReentrantLock lock = new ReentrantLock(true);
    private final Condition notFull = lock.newCondition();
    private final RequestQueue queue = new RequestQueue();
    private boolean closing;

    /** Starts one; {@code atEachLayer} is run before each layer of a pass. */
    BatchingExecutor(Model model, BatchingOptions options, Runnable atEachLayer) {
        this(model, options, step -> {
            if (step == SchedulerStep.LAYER) {
                atEachLayer.run();
            }
        });
    }

    /** Starts one whose thread tells {@code probe} where it is. */
    BatchingExecutor(Model model, BatchingOptions options, Consumer<SchedulerStep> probe) {
        this.model = model;
        this.options = options;
        demand = CacheDemand.of(model);
        batch = new ContinuousBatch(model, options, demand, model.meter(), probe);
        thread = new ComputingThread(this::run);
        results.start();
        try {
            Rehearsal.run(model, results, request -> newTask(request, System.nanoTime()));
            thread.start();
        } catch (Throwable failed) {
            results.close();
            throw failed;
        }
    }

    /** The thread that computes for all callers of an executor. */
    private static final class ComputingThread extends Thread {

        ComputingThread(Runnable work) {
            super(work, "isthmus-batch");
            setDaemon(true);
        }
    }

    /** Whether a thread computes for the callers of an executor, this one or another. */
    static boolean isComputing(Thread thread) {
        return thread instanceof ComputingThread;
    }

    private void wake() {
        LockSupport.unpark(thread);
        results.wake();
    }

    /**
     * Takes a request, and waits for a place in the queue if there is none.
     *
     * @param request what to generate
     * @return the request on its way; it has failed already if its keys and values would never fit into the memory that
     *     those of the model may take
     * @throws InvalidInputException if a token is not in the vocabulary, or stop strings are given to a model without
     *     tokenizer
     * @throws ContextFullException if the prompt does not fit into the context
     * @throws DeadlineExceededException if the request's time is over before there is a place
     * @throws CancelledException if the thread is interrupted while it waits
     * @throws ClosedException if this or the model is closed
     * @throws ConcurrentUseException if called by a {@link LogitsProcessor}
     * @throws dev.isthmus.engine.errors.OutOfMemoryException if the Java heap has no room for the request
     */
    public GenerationTask submit(GenerationRequest request) {
        return submit(request, true).orElseThrow();
    }

    /**
     * As {@link #submit(GenerationRequest)}, with a text that the model's tokenizer turns into tokens.
     *
     * @param prompt the text
     * @param generation how to choose tokens and when to end
     * @return the request on its way
     */
    public GenerationTask submit(String prompt, GenerationOptions generation) {
        Arguments.nonNull(prompt, "submit a text", "prompt");
        Arguments.nonNull(generation, "submit a text", "generation");
        return submit(GenerationRequest.of(model.encode("submit a text", prompt), generation));
    }

    /**
     * As {@link #submit(GenerationRequest)}, but does not wait.
     *
     * @param request what to generate
     * @return the request on its way; empty where the queue is full
     */
    public Optional<GenerationTask> trySubmit(GenerationRequest request) {
        return submit(request, false);
    }

    private Optional<GenerationTask> submit(GenerationRequest request, boolean waits) {
        requireOtherThread("submit a request");
        Arguments.nonNull(request, "submit a request", "request");
        long now = System.nanoTime();
        try {
            GenerationTask task = newTask(request, now);
            // Made before the request is taken: nobody would know of one that is taken and cannot be returned.
            Optional<GenerationTask> taken = Optional.of(task);
            return enqueue(task, request, now, waits) ? taken : Optional.empty();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new CancelledException("waiting for a place in the queue: the thread was interrupted");
        } catch (OutOfMemoryError noMemory) {
            throw Model.outOfMemory(noMemory);
        }
    }

    private GenerationTask newTask(GenerationRequest request, long now) {
        return model.whileOpen(() -> {
            check(request);
            return new GenerationTask(model, request, now, changed);
        });
    }

    private void check(GenerationRequest request) {
        int length = request.prompt().size();
        int context = model.config().context();
        if (length > context) {
            throw new ContextFullException(context, 0, length);
        }
        for (int i = 0; i < length; i++) {
            model.forward().checkToken(request.prompt().get(i), i);
        }
    }

    /** Ends a request that could not be done if it were the only one. */
    private boolean isTooLarge(GenerationTask task) {
        long capacity = model.cacheBytes() + model.availableCacheBytes();
        boolean tooLarge = demand.atLeast(task) > capacity;
        if (tooLarge) {
            task.fail(demand.tooLarge(task, capacity));
        }
        return tooLarge;
    }

    /** Takes a request, which may have failed by then; false if it may not wait and there is no place. */
    private boolean enqueue(GenerationTask task, GenerationRequest request, long begun, boolean waits)
            throws InterruptedException {
        boolean tooLarge = isTooLarge(task);
        lock.lockInterruptibly();
        try {
            while (!closing && !tooLarge && queue.size() >= options.queueCapacity()) {
                if (!waits) {
                    return false;
                }
                await(request, begun);
            }
            if (closing) {
                throw new ClosedException("the batching executor is closed; make another with"
                        + " Model.newBatchingExecutor");
            }
            RequestQueue.Waiting waiting = new RequestQueue.Waiting(task, event(task));
            results.add(task);
            if (!tooLarge) {
                queue.add(waiting);
                model.meter().queued(1);
            }
        } finally {
            lock.unlock();
        }
        LockSupport.unpark(thread);
        return true;
    }

    /** The record of a wait that begins; null where there is no recording, or no memory for it. */
    private QueueWaitEvent event(GenerationTask task) {
        try {
            return FlightRecorder.isInitialized() ? QueueWaitEvent.begin(task.prompt().length, queue.size()) : null;
        } catch (OutOfMemoryError | LinkageError unrecorded) {
            return null;
        }
    }

    private void await(GenerationRequest request, long begun) throws InterruptedException {
        if (request.timeLimit().isEmpty()) {
            notFull.await();
            return;
        }
        long left = begun + nanos(request.timeLimit().get()) - System.nanoTime();
        if (left <= 0) {
            throw new DeadlineExceededException("the request's time was over before there was a place in the queue of "
                    + options.queueCapacity() + "; allow more time or send fewer requests at once");
        }
        notFull.awaitNanos(left);
    }

    /** A duration in nanoseconds, cut to some centuries. */
    static long nanos(Duration duration) {
        return duration.compareTo(Duration.ofNanos(Long.MAX_VALUE / 2)) < 0 ? duration.toNanos() : Long.MAX_VALUE / 2;
    }

    /** {@return the number of requests that wait for a place in the batch} */
    public int queueLength() {
        lock.lock();
        try {
            return queue.size();
        } finally {
            lock.unlock();
        }
    }

    /** {@return the number of requests that are computed together now} */
    public int running() {
        return batch.running();
    }

    /** {@return how often a request gave up its keys and values to others, and read its text again later} */
    public long preemptions() {
        return batch.preemptions();
    }

    /** Computes until the executor is closed and all is done; nothing that is thrown ends the thread before. */
    private void run() {
        boolean open = true;
        while (open) {
            try {
                open = admit();
                if (batch.hasWork()) {
                    // A processor may have interrupted this thread, which computes for all callers.
                    Thread.interrupted();
                    batch.step();
                }
            } catch (Throwable unforeseen) {
                batch.failAll(unforeseen);
            }
        }
        results.close();
    }

    /** Waits for something to do and fills the batch; false when all is done and no more will come. */
    private boolean admit() {
        while (true) {
            batch.removeEnded();
            lock.lock();
            try {
                // Those that have ended leave their places in the queue to others.
                model.meter().queued(-queue.removeEnded());
                while (queue.first() != null && batch.hasRoomFor(queue.first().task())) {
                    RequestQueue.Waiting next = queue.first();
                    batch.admit(next.task());
                    queue.removeFirst();
                    model.meter().queued(-1);
                    next.end(true);
                }
                notFull.signalAll();
                if (batch.hasWork()) {
                    return true;
                }
                batch.rest();
                if (closing && queue.first() == null && batch.isEmpty()) {
                    return false;
                }
            } finally {
                lock.unlock();
            }
            LockSupport.park(this);
        }
    }

    /**
     * Takes no more requests, and returns when those that it has taken are done; idempotent. A request whose loop the
     * calling thread has left is cancelled. A thread that is interrupted while it waits cancels them all, as
     * {@link #closeNow} does.
     *
     * @throws ConcurrentUseException if called by a {@link LogitsProcessor}
     */
    @Override
    public void close() {
        requireOtherThread("close the batching executor");
        stopTaking();
        results.finishAll(Thread.currentThread());
        boolean interrupted = false;
        while (true) {
            try {
                thread.join();
                results.awaitAllDone();
                break;
            } catch (InterruptedException e) {
                interrupted = true;
                results.failAll(PreparedFailures.executorClosed());
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    private void stopTaking() {
        lock.lock();
        try {
            closing = true;
            notFull.signalAll();
        } finally {
            lock.unlock();
        }
        LockSupport.unpark(thread);
    }

    /**
     * Takes no more requests, ends those that it has taken with a {@link CancelledException}, and returns when nothing is
     * computed any more; idempotent.
     *
     * @throws ConcurrentUseException if called by a {@link LogitsProcessor}
     */
    public void closeNow() {
        requireOtherThread("close the batching executor");
        stopTaking();
        results.failAll(PreparedFailures.executorClosed());
        close();
    }

    private void requireOtherThread(String purpose) {
        if (Thread.currentThread() == thread) {
            throw new ConcurrentUseException(purpose + ": called by a logits processor of a running request, which"
                    + " would wait for itself; call from another thread");
        }
    }
}
