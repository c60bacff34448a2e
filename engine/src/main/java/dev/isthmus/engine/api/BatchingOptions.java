package dev.isthmus.engine.api;

import dev.isthmus.engine.errors.InvalidInputException;

/**
 * How a {@link BatchingExecutor} works.
 *
 * @param maxBatch the most requests that are computed together, ≥ 1; fewer where the memory for their keys and values is
 *     not there
 * @param queueCapacity the most requests that wait for a place in the batch, ≥ 1
 * @param prefillRows the most tokens of prompts that are read in one step, ≥ 1. While other requests generate, fewer are
 *     read where the step would take more than about twice as long as one without prompts
 */
public record BatchingOptions(int maxBatch, int queueCapacity, int prefillRows) {

    /** 32 requests together, 256 waiting, 128 tokens of prompts in a step. */
    public static final BatchingOptions DEFAULT = new BatchingOptions(32, 256, 128);

    /**
     * Checks the values.
     *
     * @throws InvalidInputException if one is out of range
     */
    public BatchingOptions {
        if (maxBatch < 1 || queueCapacity < 1 || prefillRows < 1) {
            throw new InvalidInputException("batching options: all must be >= 1, found max batch " + maxBatch
                    + ", queue capacity " + queueCapacity + ", prefill rows " + prefillRows);
        }
    }

    /**
     * {@return the same with another number of requests together}
     *
     * @param value {@link #maxBatch()}
     */
    public BatchingOptions withMaxBatch(int value) {
        return new BatchingOptions(value, queueCapacity, prefillRows);
    }

    /**
     * {@return the same with another number of requests waiting}
     *
     * @param value {@link #queueCapacity()}
     */
    public BatchingOptions withQueueCapacity(int value) {
        return new BatchingOptions(maxBatch, value, prefillRows);
    }

    /**
     * {@return the same with another number of tokens of prompts in a step}
     *
     * @param value {@link #prefillRows()}
     */
    public BatchingOptions withPrefillRows(int value) {
        return new BatchingOptions(maxBatch, queueCapacity, value);
    }
}
