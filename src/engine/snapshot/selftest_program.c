#include "engine/snapshot/selftest_program.h"

#include <elf.h>
#include <errno.h>

#define LOAD_ADDRESS 0x400000u

/* for (;;) { int fd = accept4(3, NULL, NULL, 0); write(fd, "W", 1); close(fd); } */
#if defined(__x86_64__)
#    define MACHINE EM_X86_64
__asm__(".pushsection .rodata.wr_selftest, \"a\", @progbits\n"
        ".globl wr_selftest_code, wr_selftest_code_end\n"
        ".hidden wr_selftest_code, wr_selftest_code_end\n"
        "wr_selftest_code:\n"
        "0: mov $288, %eax\n"
        "   mov $3, %edi\n"
        "   xor %esi, %esi\n"
        "   xor %edx, %edx\n"
        "   xor %r10d, %r10d\n"
        "   syscall\n"
        "   mov %eax, %ebx\n"
        "   mov $1, %eax\n"
        "   mov %ebx, %edi\n"
        "   lea 1f(%rip), %rsi\n"
        "   mov $1, %edx\n"
        "   syscall\n"
        "   mov $3, %eax\n"
        "   mov %ebx, %edi\n"
        "   syscall\n"
        "   jmp 0b\n"
        "1: .byte 'W'\n"
        "wr_selftest_code_end:\n"
        ".popsection\n");
#elif defined(__aarch64__)
#    define MACHINE EM_AARCH64
__asm__(".pushsection .rodata.wr_selftest, \"a\", @progbits\n"
        ".balign 4\n"
        ".globl wr_selftest_code, wr_selftest_code_end\n"
        ".hidden wr_selftest_code, wr_selftest_code_end\n"
        "wr_selftest_code:\n"
        "0: mov x8, #242\n"
        "   mov x0, #3\n"
        "   mov x1, #0\n"
        "   mov x2, #0\n"
        "   mov x3, #0\n"
        "   svc #0\n"
        "   mov x19, x0\n"
        "   mov x8, #64\n"
        "   adr x1, 1f\n"
        "   mov x2, #1\n"
        "   svc #0\n"
        "   mov x8, #57\n"
        "   mov x0, x19\n"
        "   svc #0\n"
        "   b 0b\n"
        "1: .byte 'W'\n"
        "wr_selftest_code_end:\n"
        ".popsection\n");
#else
#    define MACHINE EM_NONE
static const char wr_selftest_code[1], wr_selftest_code_end[1];
#endif
#if defined(__x86_64__) || defined(__aarch64__)
extern const char wr_selftest_code[], wr_selftest_code_end[];
#endif

int wr_selftest_program(struct wr_buf *out)
{
    const size_t len = (size_t)((uintptr_t)wr_selftest_code_end - (uintptr_t)wr_selftest_code);
    const struct {
        Elf64_Ehdr file;
        Elf64_Phdr segment;
    } head = {
        .file = {.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB,
                             EV_CURRENT},
                 .e_type = ET_EXEC,
                 .e_machine = MACHINE,
                 .e_version = EV_CURRENT,
                 .e_entry = LOAD_ADDRESS + sizeof(head),
                 .e_phoff = sizeof(Elf64_Ehdr),
                 .e_ehsize = sizeof(Elf64_Ehdr),
                 .e_phentsize = sizeof(Elf64_Phdr),
                 .e_phnum = 1},
        .segment = {.p_type = PT_LOAD,
                    .p_flags = PF_R | PF_X,
                    .p_vaddr = LOAD_ADDRESS,
                    .p_paddr = LOAD_ADDRESS,
                    .p_filesz = sizeof(head) + len,
                    .p_memsz = sizeof(head) + len,
                    .p_align = 4096},
    };
    if (MACHINE == EM_NONE)
        return -ENOTSUP;
    const int rc = wr_buf_append(out, &head, sizeof(head));
    return rc < 0 ? rc : wr_buf_append(out, wr_selftest_code, len);
}
