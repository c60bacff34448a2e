package dev.isthmus.engine.api;

import dev.isthmus.engine.cache.PrefixSharing;

/**
 * Which texts' keys and values a text that begins alike takes over instead of computing them, in steps of 64 tokens. The
 * results are the same bits with any choice; how long reading takes may tell whether another text has the prefix.
 */
public enum PrefixCache {

    /** None but a fork's. */
    OFF,

    /** Those of sessions and requests that are open. */
    OPEN,

    /**
     * Also those of texts that are finished: they stay until their memory is needed, those that nobody has used for the
     * longest time going first.
     */
    FINISHED;

    /** The same for a model's caches. */
    PrefixSharing sharing() {
        return switch (this) {
            case OFF -> PrefixSharing.NONE;
            case OPEN -> PrefixSharing.HELD;
            case FINISHED -> PrefixSharing.KEPT;
        };
    }
}
