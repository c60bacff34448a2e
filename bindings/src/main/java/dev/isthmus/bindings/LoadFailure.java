package dev.isthmus.bindings;

/** Why a library cannot be used from one place; the search for it goes on or ends, but never throws. */
final class LoadFailure extends Exception {
    private static final long serialVersionUID = 1L;

    LoadFailure(String reason) {
        super(reason);
    }

    /** A failure for whatever a downcall threw; errors of the JVM itself are passed on. */
    static LoadFailure of(Throwable cause) {
        return switch (cause) {
            case LoadFailure failure -> failure;
            case IllegalCallerException denied -> throw denied;
            case VirtualMachineError error -> throw error;
            default -> new LoadFailure(cause.toString());
        };
    }
}
