package dev.isthmus.engine.errors;

/** A backend that was asked for cannot be used, or a native library failed. */
public final class BackendException extends EngineException {

    private static final long serialVersionUID = 1L;

    /**
     * Makes one with a message for the user.
     *
     * @param message what was being done, what was expected and found, and what the user can do
     */
    public BackendException(String message) {
        super(message);
    }

    /**
     * Makes one with a message for the user and what caused it.
     *
     * @param message what was being done, what was expected and found, and what the user can do
     * @param cause what caused it
     */
    public BackendException(String message, Throwable cause) {
        super(message, cause);
    }
}
