package dev.isthmus.engine.api;

import dev.isthmus.engine.errors.InvalidInputException;
import java.util.Objects;

/** How a {@link BatchingExecutor} works: {@link #DEFAULT}, and what {@code with…} methods change in it. Immutable. */
public final class BatchingOptions {

    /** 32 requests together, 256 waiting, 128 tokens of prompts in a step. */
    public static final BatchingOptions DEFAULT = new BatchingOptions(32, 256, 128);

    private final int maxBatch;
    private final int queueCapacity;
    private final int prefillRows;

    /**
     * Makes options of these values and the defaults of all others.
     *
     * @param maxBatch {@link #maxBatch()}
     * @param queueCapacity {@link #queueCapacity()}
     * @param prefillRows {@link #prefillRows()}
     * @throws InvalidInputException if one is out of range
     */
    public BatchingOptions(int maxBatch, int queueCapacity, int prefillRows) {
        if (maxBatch < 1 || queueCapacity < 1 || prefillRows < 1) {
            throw new InvalidInputException("batching options: all must be >= 1, found max batch " + maxBatch
                    + ", queue capacity " + queueCapacity + ", prefill rows " + prefillRows);
        }
        this.maxBatch = maxBatch;
        this.queueCapacity = queueCapacity;
        this.prefillRows = prefillRows;
    }

    /**
     * {@return the most requests that are computed together, ≥ 1; fewer where the memory for their keys and values is
     * not there}
     */
    public int maxBatch() {
        return maxBatch;
    }

    /** {@return the most requests that wait for a place in the batch, ≥ 1} */
    public int queueCapacity() {
        return queueCapacity;
    }

    /**
     * {@return the most tokens of prompts that are read in one step, ≥ 1} While other requests generate, fewer are read
     * where the step would take more than about twice as long as one without prompts.
     */
    public int prefillRows() {
        return prefillRows;
    }

    /**
     * {@return the same with another number of requests together}
     *
     * @param value {@link #maxBatch()}
     * @throws InvalidInputException if it is out of range
     */
    public BatchingOptions withMaxBatch(int value) {
        return new BatchingOptions(value, queueCapacity, prefillRows);
    }

    /**
     * {@return the same with another number of requests waiting}
     *
     * @param value {@link #queueCapacity()}
     * @throws InvalidInputException if it is out of range
     */
    public BatchingOptions withQueueCapacity(int value) {
        return new BatchingOptions(maxBatch, value, prefillRows);
    }

    /**
     * {@return the same with another number of tokens of prompts in a step}
     *
     * @param value {@link #prefillRows()}
     * @throws InvalidInputException if it is out of range
     */
    public BatchingOptions withPrefillRows(int value) {
        return new BatchingOptions(maxBatch, queueCapacity, value);
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof BatchingOptions options && maxBatch == options.maxBatch
                && queueCapacity == options.queueCapacity && prefillRows == options.prefillRows;
    }

    @Override
    public int hashCode() {
        return Objects.hash(maxBatch, queueCapacity, prefillRows);
    }

    @Override
    public String toString() {
        return "BatchingOptions[maxBatch=" + maxBatch + ", queueCapacity=" + queueCapacity + ", prefillRows="
                + prefillRows + "]";
    }
}
