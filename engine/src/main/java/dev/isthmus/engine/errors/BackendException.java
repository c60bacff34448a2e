package dev.isthmus.engine.errors;

/** A backend that was asked for cannot be used, or a native library failed. */
public final class BackendException extends EngineException {

    private static final long serialVersionUID = 1L;

    /** Makes one with a message for the user. */
    public BackendException(String message) {
        super(message);
    }

    /** Makes one with a message for the user and what caused it. */
    public BackendException(String message, Throwable cause) {
        super(message, cause);
    }
}
