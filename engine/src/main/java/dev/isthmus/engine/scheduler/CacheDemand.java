package dev.isthmus.engine.scheduler;

import dev.isthmus.engine.cache.KvCache;
import dev.isthmus.engine.errors.OutOfMemoryException;
import dev.isthmus.engine.session.LoadedModel;

/**
 * The memory that requests need for their keys and values.
 *
 * @param context the most positions of a text
 * @param blockBytes the bytes of {@link KvCache#BLOCK_POSITIONS} positions
 */
record CacheDemand(int context, long blockBytes) {

    /** That of a model's requests. */
    static CacheDemand of(LoadedModel model) {
        try (KvCache cache = model.newCache("")) {
            return new CacheDemand(cache.context(), cache.blockBytes());
        }
    }

    /** The bytes if a text takes all the tokens that it may. The last token is chosen and never read. */
    long atMost(ScheduledRequest request) {
        return bytes((long) request.promptLength() + request.maxTokens() - 1);
    }

    /** The bytes that it takes in any case. */
    long atLeast(ScheduledRequest request) {
        return request.mayEndEarly() ? bytes(request.promptLength()) : atMost(request);
    }

    private long bytes(long positions) {
        return Math.ceilDiv(Math.min(context, positions), KvCache.BLOCK_POSITIONS) * blockBytes;
    }

    /** The failure of a request that takes more than {@code capacity}, whatever else is done. */
    OutOfMemoryException tooLarge(ScheduledRequest request, long capacity) {
        return new OutOfMemoryException("generating up to " + request.maxTokens() + " tokens after a prompt of "
                + request.promptLength() + " takes " + atLeast(request) + " bytes of keys and values, and those of the"
                + " model may take " + capacity + " bytes; ask for fewer tokens, use a smaller type of cache, or raise"
                + " ModelOptions.withCacheLimit", null);
    }
}
