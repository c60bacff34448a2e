package dev.isthmus.engine.model;

import dev.isthmus.engine.kernels.Kernels;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.util.function.Function;

/** Kernels whose calls a test sees, and may answer in their place. */
final class InterceptedKernels {

    private InterceptedKernels() {}

    /**
     * Intercepts calls.
     *
     * @param answer given a method's name, the call's result; null to leave it to {@code kernels}
     */
    static Kernels of(Kernels kernels, Function<String, Object> answer) {
        return (Kernels) Proxy.newProxyInstance(Kernels.class.getClassLoader(), new Class<?>[] {Kernels.class},
                (proxy, method, arguments) -> {
                    Object answered = answer.apply(method.getName());
                    if (answered != null) {
                        return answered;
                    }
                    try {
                        return method.invoke(kernels, arguments);
                    } catch (InvocationTargetException e) {
                        throw e.getCause();
                    }
                });
    }
}
