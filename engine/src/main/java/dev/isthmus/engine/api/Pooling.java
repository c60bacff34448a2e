package dev.isthmus.engine.api;

/** How the vectors of a text's tokens become one. */
public enum Pooling {
    /** The mean of all. */
    MEAN,
    /** The last one's, the only one that has seen the whole text. */
    LAST
}
