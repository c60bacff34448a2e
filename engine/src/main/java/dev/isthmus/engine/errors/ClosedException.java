package dev.isthmus.engine.errors;

/** A model or session was used after it was closed. */
public final class ClosedException extends EngineException {

    private static final long serialVersionUID = 1L;

    /**
     * Makes one with a message for the user.
     *
     * @param message what was being done, what was expected and found, and what the user can do
     */
    public ClosedException(String message) {
        super(message);
    }
}
