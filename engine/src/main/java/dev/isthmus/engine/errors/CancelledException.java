package dev.isthmus.engine.errors;

/** The work was cancelled before it was done; the session is as it was before the call. */
public final class CancelledException extends EngineException {

    private static final long serialVersionUID = 1L;

    /**
     * Makes one with a message for the user.
     *
     * @param message what was being done, what was expected and found, and what the user can do
     */
    public CancelledException(String message) {
        super(message);
    }
}
