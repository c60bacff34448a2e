package dev.isthmus.engine.errors;

/** A model or session was used after it was closed. */
public final class ClosedException extends EngineException {

    private static final long serialVersionUID = 1L;

    /** Makes one with a message for the user. */
    public ClosedException(String message) {
        super(message);
    }
}
