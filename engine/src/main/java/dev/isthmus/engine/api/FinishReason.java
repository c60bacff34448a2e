package dev.isthmus.engine.api;

/** Why a generation ended. */
public enum FinishReason {
    /** The most tokens asked for were generated. */
    MAX_TOKENS,
    /** The model produced its end-of-text token. */
    END_OF_TEXT,
    /** A stop string appeared. */
    STOP,
    /** The caller cancelled it. */
    CANCELLED,
    /** The text fills the model's context, so that no further token has a position. */
    CONTEXT_FULL
}
