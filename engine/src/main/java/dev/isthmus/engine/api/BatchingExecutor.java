package dev.isthmus.engine.api;

import dev.isthmus.engine.checks.Arguments;
import dev.isthmus.engine.errors.BackendException;
import dev.isthmus.engine.errors.CancelledException;
import dev.isthmus.engine.errors.ClosedException;
import dev.isthmus.engine.errors.ConcurrentUseException;
import dev.isthmus.engine.errors.ContextFullException;
import dev.isthmus.engine.errors.DeadlineExceededException;
import dev.isthmus.engine.errors.EngineException;
import dev.isthmus.engine.errors.InvalidInputException;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;

/**
 * Continues texts for many callers at once, as one continuous batch: a step reads a token of every request that
 * generates, which takes little longer than of one, and beside them a part of the prompts. Requests come and go between
 * steps, in the order in which they were submitted; when the batch is full they wait in a queue, and when that is full
 * {@link #submit} waits. Prefixes that requests have in common with each other or with open sessions are shared, as
 * {@link Session} says.
 *
 * <p>A request gives what a session of its own would give: where the kernels are the C ones or the reference, the same
 * bits, whoever else is in the batch. With plain Java and OpenBLAS, logits differ by rounding with the size of the
 * batch.
 *
 * <p>Any number of threads may use it, virtual ones too. One thread of its own computes and chooses the tokens, so a
 * {@link LogitsProcessor} that waits holds up all requests. That thread runs none of the callers' other code.
 */
public final class BatchingExecutor implements AutoCloseable {

    private final Model model;
    private final BatchingOptions options;
    private final ReentrantLock lock = new ReentrantLock(true);
    private final Condition notFull = lock.newCondition();
    private final Condition work = lock.newCondition();
    private final Deque<Waiting> queue = new ArrayDeque<>();
    private final Set<GenerationTask> unfinished = ConcurrentHashMap.newKeySet();
    private final Thread thread;
    private boolean closing;
    private volatile int running;

    /** A request in the queue; the event may be null. */
    private record Waiting(GenerationTask task, QueueWaitEvent event) {

        void end(boolean admitted) {
            if (event != null) {
                event.end(admitted);
            }
        }
    }

    /** Starts one; {@code atEachLayer} is run before each layer of a pass. */
    BatchingExecutor(Model model, BatchingOptions options, Runnable atEachLayer) {
        this.model = model;
        this.options = options;
        thread = Thread.ofPlatform().name("isthmus-batch").daemon()
                .start(() -> run(new ContinuousBatch(model, options, atEachLayer)));
    }

    /**
     * Takes a request, and waits for a place in the queue if there is none.
     *
     * @param request what to generate
     * @return the request on its way
     * @throws InvalidInputException if a token is not in the vocabulary, or stop strings are given to a model without
     *     tokenizer
     * @throws ContextFullException if the prompt does not fit into the context
     * @throws DeadlineExceededException if the request's time is over before there is a place
     * @throws CancelledException if the thread is interrupted while it waits
     * @throws ClosedException if this or the model is closed
     * @throws ConcurrentUseException if called by a {@link LogitsProcessor}
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
        GenerationTask task = model.whileOpen(() -> {
            check(request);
            return new GenerationTask(model, request, now);
        });
        try {
            lock.lockInterruptibly();
            try {
                while (!closing && queue.size() >= options.queueCapacity()) {
                    if (!waits) {
                        return Optional.empty();
                    }
                    await(request, now);
                }
                if (closing) {
                    throw new ClosedException("the batching executor is closed; make another with"
                            + " Model.newBatchingExecutor");
                }
                enqueue(task);
                return Optional.of(task);
            } finally {
                lock.unlock();
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new CancelledException("waiting for a place in the queue: the thread was interrupted");
        }
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

    private void enqueue(GenerationTask task) {
        unfinished.add(task);
        task.result().whenComplete((result, failure) -> unfinished.remove(task));
        queue.add(new Waiting(task, QueueWaitEvent.begin(task.prompt().length, queue.size())));
        model.meter().queued(1);
        work.signal();
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
        return running;
    }

    private void run(ContinuousBatch batch) {
        EngineException reason = new ClosedException("the batching executor was closed");
        try (batch) {
            while (admit(batch)) {
                running = batch.size();
                batch.step();
                running = batch.size();
            }
        } catch (Throwable failed) {
            reason = new BackendException("the thread that computes the batch has ended: " + failed
                    + "; close the executor and make another", failed);
        }
        refuseAll(reason);
    }

    /** Waits for something to do and fills the batch; false when all is done and no more will come. */
    private boolean admit(ContinuousBatch batch) {
        lock.lock();
        try {
            while (queue.isEmpty() && batch.size() == 0) {
                if (closing) {
                    return false;
                }
                work.awaitUninterruptibly();
            }
            // Those that have ended leave their places in the queue to others.
            queue.removeIf(waiting -> {
                if (waiting.task.isEnded()) {
                    waiting.end(false);
                    model.meter().queued(-1);
                    return true;
                }
                return false;
            });
            while (!queue.isEmpty() && !batch.isFull()) {
                Waiting next = queue.poll();
                next.end(true);
                model.meter().queued(-1);
                batch.admit(next.task);
            }
            notFull.signalAll();
            return true;
        } finally {
            lock.unlock();
        }
    }

    /** Takes no more requests; there are unfinished ones only after a defect. */
    private void refuseAll(EngineException reason) {
        lock.lock();
        try {
            closing = true;
            model.meter().queued(-queue.size());
            queue.clear();
            notFull.signalAll();
        } finally {
            lock.unlock();
        }
        running = 0;
        unfinished.forEach(task -> task.fail(reason));
    }

    /**
     * Takes no more requests, and returns when those that it has taken are done; idempotent. A thread that is
     * interrupted while it waits cancels them, as {@link #closeNow} does.
     *
     * @throws ConcurrentUseException if called by a {@link LogitsProcessor}
     */
    @Override
    public void close() {
        requireOtherThread("close the batching executor");
        lock.lock();
        try {
            closing = true;
            work.signal();
            notFull.signalAll();
        } finally {
            lock.unlock();
        }
        boolean interrupted = false;
        while (thread.isAlive()) {
            try {
                thread.join();
            } catch (InterruptedException e) {
                interrupted = true;
                unfinished.forEach(GenerationTask::cancel);
            }
        }
        // Results come on threads of their own.
        unfinished.forEach(task -> task.result().handle((result, failure) -> null).join());
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
    }

    /**
     * Takes no more requests, cancels those that it has taken, and returns when nothing is computed any more; idempotent.
     *
     * @throws ConcurrentUseException if called by a {@link LogitsProcessor}
     */
    public void closeNow() {
        requireOtherThread("close the batching executor");
        lock.lock();
        try {
            closing = true;
        } finally {
            lock.unlock();
        }
        unfinished.forEach(GenerationTask::cancel);
        close();
    }

    private void requireOtherThread(String purpose) {
        if (Thread.currentThread() == thread) {
            throw new ConcurrentUseException(purpose + ": called by a logits processor of a running request, which"
                    + " would wait for itself; call from another thread");
        }
    }
}
