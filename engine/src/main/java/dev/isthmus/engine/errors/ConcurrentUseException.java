package dev.isthmus.engine.errors;

/** A session was used by two threads at the same time. */
public final class ConcurrentUseException extends EngineException {

    private static final long serialVersionUID = 1L;

    /**
     * Makes one with a message for the user.
     *
     * @param message what was being done, what was expected and found, and what the user can do
     */
    public ConcurrentUseException(String message) {
        super(message);
    }
}
