package dev.isthmus.tools.commands;

import java.util.Arrays;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/**
 * Token ids as the command line writes them: separated by commas or spaces.
 *
 * @param ids the ids
 */
record IdList(int... ids) {

    @Override
    public boolean equals(Object other) {
        return other instanceof IdList list && Arrays.equals(ids, list.ids);
    }

    @Override
    public int hashCode() {
        return Arrays.hashCode(ids);
    }

    @Override
    public String toString() {
        return Arrays.toString(ids);
    }

    /** Reads a list; an empty text is an empty list. */
    static final class Converter implements ITypeConverter<IdList> {

        @Override
        public IdList convert(String value) {
            String[] parts = value.isBlank() ? new String[0] : value.strip().split("[\\s,]+", -1);
            int[] ids = new int[parts.length];
            for (int i = 0; i < parts.length; i++) {
                try {
                    ids[i] = Integer.parseInt(parts[i]);
                } catch (NumberFormatException e) {
                    throw new TypeConversionException("expected token ids such as 15496,11,995, found '" + parts[i]
                            + "'");
                }
            }
            return new IdList(ids);
        }
    }
}
