package dev.isthmus.engine.errors;

/** There was not enough memory, on the Java heap or outside it; what the call had taken is free again. */
public final class OutOfMemoryException extends EngineException {

    private static final long serialVersionUID = 1L;

    /**
     * Makes one.
     *
     * @param message for the user
     * @param cause what caused it, or null
     */
    public OutOfMemoryException(String message, Throwable cause) {
        super(message, cause);
    }
}
