package dev.isthmus.engine.api;

import dev.isthmus.engine.checks.Arguments;
import dev.isthmus.engine.errors.CancelledException;
import dev.isthmus.engine.errors.ClosedException;
import dev.isthmus.engine.errors.ConcurrentUseException;
import dev.isthmus.engine.errors.ContextFullException;
import dev.isthmus.engine.errors.DeadlineExceededException;
import dev.isthmus.engine.errors.InvalidInputException;
import dev.isthmus.engine.scheduler.BatchLimits;
import dev.isthmus.engine.scheduler.SchedulerStep;
import dev.isthmus.engine.scheduler.SchedulerThread;
import dev.isthmus.engine.session.HeapLimit;
import dev.isthmus.engine.session.LoadedModel;
import java.util.Optional;
import java.util.function.Consumer;

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

    private final LoadedModel model;
    private final SchedulerThread scheduler;
    private final Runnable changed;

    /** Starts one; {@code atEachLayer} is run before each layer of a pass. */
    BatchingExecutor(LoadedModel model, BatchingOptions options, Runnable atEachLayer) {
        this(model, options, step -> {
            if (step == SchedulerStep.LAYER) {
                atEachLayer.run();
            }
        });
    }

    /** Starts one whose thread tells {@code probe} where it is. */
    BatchingExecutor(LoadedModel model, BatchingOptions options, Consumer<SchedulerStep> probe) {
        this.model = model;
        scheduler = new SchedulerThread(model,
                new BatchLimits(options.maxBatch(), options.queueCapacity(), options.prefillRows()), probe);
        changed = scheduler::wake;
        scheduler.start(results -> Rehearsal.run(model, results, request -> newTask(request, System.nanoTime())));
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
        scheduler.requireOtherThread("submit a request");
        Arguments.nonNull(request, "submit a request", "request");
        long now = System.nanoTime();
        try {
            GenerationTask task = newTask(request, now);
            // Made before the request is taken: nobody would know of one that is taken and cannot be returned.
            Optional<GenerationTask> taken = Optional.of(task);
            return scheduler.submit(task.state(), waits) ? taken : Optional.empty();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new CancelledException("waiting for a place in the queue: the thread was interrupted");
        } catch (OutOfMemoryError noMemory) {
            throw HeapLimit.failure(noMemory);
        }
    }

    private GenerationTask newTask(GenerationRequest request, long now) {
        return model.whileOpen(() -> {
            check(request);
            return new GenerationTask(new GenerationState(model, request, now, changed));
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

    /** {@return the number of requests that wait for a place in the batch} */
    public int queueLength() {
        return scheduler.queueLength();
    }

    /** {@return the number of requests that are computed together now} */
    public int running() {
        return scheduler.running();
    }

    /** {@return how often a request gave up its keys and values to others, and read its text again later} */
    public long preemptions() {
        return scheduler.preemptions();
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
        scheduler.requireOtherThread("close the batching executor");
        scheduler.close();
    }

    /**
     * Takes no more requests, ends those that it has taken with a {@link CancelledException}, and returns when nothing is
     * computed any more; idempotent.
     *
     * @throws ConcurrentUseException if called by a {@link LogitsProcessor}
     */
    public void closeNow() {
        scheduler.requireOtherThread("close the batching executor");
        scheduler.closeNow();
    }
}
