package dev.isthmus.engine.cache;

/**
 * The most memory that a model's caches may take together, within what all models of the process share.
 *
 * @param most bytes; 0 for what there is
 */
public record CacheLimit(long most) {

    /** What there is. */
    public static final CacheLimit AUTOMATIC = new CacheLimit(0);

    /** Whether it is the caller's own. */
    boolean isExplicit() {
        return most > 0;
    }
}
