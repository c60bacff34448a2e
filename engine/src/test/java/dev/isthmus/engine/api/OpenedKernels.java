package dev.isthmus.engine.api;

import dev.isthmus.engine.errors.BackendException;
import java.nio.file.Path;

/** Opens a model twice with the default options, then with the C kernels alone, and prints what computes. */
public final class OpenedKernels {

    private OpenedKernels() {}

    public static void main(String[] args) {
        Path path = Path.of(args[0]);
        for (int i = 0; i < 2; i++) {
            try (Model model = Model.open(path)) {
                System.out.println("kind " + model.kernelKind());
            }
        }
        try (Model model = Model.open(path, ModelOptions.DEFAULT.withBackend(BackendChoice.NATIVE))) {
            System.out.println("required " + model.kernelKind());
        } catch (BackendException refused) {
            System.out.println("refused " + refused.getMessage());
        }
    }
}
