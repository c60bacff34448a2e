package dev.isthmus.engine.errors;

/** The work was not done by the time that its caller set. */
public final class DeadlineExceededException extends EngineException {

    private static final long serialVersionUID = 1L;

    /**
     * Makes one.
     *
     * @param message for the user
     */
    public DeadlineExceededException(String message) {
        super(message);
    }
}
