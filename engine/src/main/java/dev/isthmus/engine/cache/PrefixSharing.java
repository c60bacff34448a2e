package dev.isthmus.engine.cache;

/** Whose blocks a cache may take over instead of computing them. */
public enum PrefixSharing {

    /** Nobody's but those of forks. */
    NONE,

    /** Those that another cache holds. */
    HELD,

    /** Also those that caches have released, as long as there is room. */
    KEPT
}
