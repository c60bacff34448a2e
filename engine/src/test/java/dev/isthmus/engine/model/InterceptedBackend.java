package dev.isthmus.engine.model;

import dev.isthmus.engine.kernels.Backend;
import dev.isthmus.engine.kernels.Kernels;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.util.function.Function;

/** A backend whose calls, those of its kernels too, a test sees and may answer in its place. */
final class InterceptedBackend {

    private InterceptedBackend() {}

    /**
     * Intercepts calls.
     *
     * @param answer given a method's name, the call's result; null to leave it to {@code backend}
     */
    static Backend of(Backend backend, Function<String, Object> answer) {
        Kernels kernels = intercepted(Kernels.class, backend.kernels(), answer);
        return intercepted(Backend.class, backend, name -> name.equals("kernels") ? kernels : answer.apply(name));
    }

    private static <T> T intercepted(Class<T> type, T object, Function<String, Object> answer) {
        return type.cast(Proxy.newProxyInstance(type.getClassLoader(), new Class<?>[] {type},
                (proxy, method, arguments) -> {
                    Object answered = answer.apply(method.getName());
                    if (answered != null) {
                        return answered;
                    }
                    try {
                        return method.invoke(object, arguments);
                    } catch (InvocationTargetException e) {
                        throw e.getCause();
                    }
                }));
    }
}
