// SPDX-License-Identifier: MIT

package peers

import (
	"errors"
	"fmt"
	"slices"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
	"golang.org/x/sys/unix"
)

// The programs ask for the time last at the entry and first at the return, where
// they can: what is between is what they find a call to take.

const outLabel = "out"

func out() asm.Instructions {
	return asm.Instructions{asm.Mov.Imm(asm.R0, 0).WithSymbol(outLabel), asm.Return()}
}

// now is the time, in a register that calls keep.
func now(to asm.Register) asm.Instructions {
	return asm.Instructions{asm.FnKtimeGetNs.Call(), asm.Mov.Reg(to, asm.R0)}
}

// first finds the only element of a map of arrays, in R0.
func first(m *ebpf.Map) asm.Instructions {
	return asm.Instructions{
		asm.StoreImm(asm.RFP, -4, 0, asm.Word),
		asm.Mov.Reg(asm.R2, asm.RFP), asm.Add.Imm(asm.R2, -4),
		asm.LoadMapPtr(asm.R1, m.FD()), asm.FnMapLookupElem.Call(),
		asm.JEq.Imm(asm.R0, 0, outLabel),
	}
}

// addUp adds the duration in R6 to the sums.
func (m *pairMaps) addUp() asm.Instructions {
	return slices.Concat(first(m.sum), asm.Instructions{
		asm.LoadMem(asm.R1, asm.R0, 0, asm.DWord), asm.Add.Reg(asm.R1, asm.R6), asm.StoreMem(asm.R0, 0, asm.R1, asm.DWord),
		asm.LoadMem(asm.R1, asm.R0, 8, asm.DWord), asm.Add.Imm(asm.R1, 1), asm.StoreMem(asm.R0, 8, asm.R1, asm.DWord),
	}, out())
}

// sinceR0 makes R6 the time from what R0 points to until then.
func sinceR0() asm.Instructions {
	return asm.Instructions{asm.LoadMem(asm.R1, asm.R0, 0, asm.DWord), asm.Sub.Reg(asm.R6, asm.R1)}
}

// inTask notes the beginning of a call in its task.
func inTask(m *pairMaps) (entry, leave asm.Instructions, err error) {
	long := &btf.Int{Name: "u64", Size: 8}
	starts, err := m.peer.newMap(&ebpf.MapSpec{
		Name: "starts", Type: ebpf.TaskStorage, KeySize: 4, ValueSize: 8, Flags: unixNoPrealloc,
		Key: &btf.Int{Name: "int", Size: 4, Encoding: btf.Signed}, Value: long,
	})
	if errors.Is(err, unix.EINVAL) {
		err = unsupported("this kernel has no maps of tasks, which are in Linux 5.11 and later")
	}
	if err != nil {
		return nil, nil, err
	}
	get := func(flags int32) asm.Instructions {
		return asm.Instructions{
			asm.FnGetCurrentTaskBtf.Call(), asm.Mov.Reg(asm.R2, asm.R0),
			asm.LoadMapPtr(asm.R1, starts.FD()), asm.Mov.Imm(asm.R3, 0), asm.Mov.Imm(asm.R4, flags),
			asm.FnTaskStorageGet.Call(), asm.JEq.Imm(asm.R0, 0, outLabel),
		}
	}
	const create = 1
	entry = slices.Concat(get(create), asm.Instructions{
		asm.Mov.Reg(asm.R6, asm.R0), asm.FnKtimeGetNs.Call(), asm.StoreMem(asm.R6, 0, asm.R0, asm.DWord),
	}, out())
	return entry, slices.Concat(now(asm.R6), get(0), sinceR0(), m.addUp()), nil
}

// unixNoPrealloc is BPF_F_NO_PREALLOC, which maps of tasks must have.
const unixNoPrealloc = 1

// inProcessor notes it for the processor.
func inProcessor(m *pairMaps) (entry, leave asm.Instructions, err error) {
	starts, err := m.peer.newMap(&ebpf.MapSpec{Name: "starts", Type: ebpf.PerCPUArray, KeySize: 4, ValueSize: 8, MaxEntries: 1})
	if err != nil {
		return nil, nil, err
	}
	entry = slices.Concat(now(asm.R6), first(starts), asm.Instructions{asm.StoreMem(asm.R0, 0, asm.R6, asm.DWord)}, out())
	return entry, slices.Concat(now(asm.R6), first(starts), sinceR0(), m.addUp()), nil
}

// mostTasks is how many can be in the function at the same time: as in funclatency.
const mostTasks = 10240

// inHash notes it in a hash by thread, and asks for the time where funclatency does.
func inHash(m *pairMaps) (entry, leave asm.Instructions, err error) {
	starts, err := m.peer.newMap(&ebpf.MapSpec{Name: "starts", Type: ebpf.Hash, KeySize: 4, ValueSize: 8, MaxEntries: mostTasks})
	if err != nil {
		return nil, nil, err
	}
	key := asm.Instructions{asm.FnGetCurrentPidTgid.Call(), asm.StoreMem(asm.RFP, -4, asm.R0, asm.Word)}
	on := func(function asm.BuiltinFunc) asm.Instructions {
		return asm.Instructions{
			asm.LoadMapPtr(asm.R1, starts.FD()), asm.Mov.Reg(asm.R2, asm.RFP), asm.Add.Imm(asm.R2, -4), function.Call(),
		}
	}
	entry = slices.Concat(key, asm.Instructions{
		asm.FnKtimeGetNs.Call(), asm.StoreMem(asm.RFP, -16, asm.R0, asm.DWord),
		asm.Mov.Reg(asm.R3, asm.RFP), asm.Add.Imm(asm.R3, -16), asm.Mov.Imm(asm.R4, 0),
	}, on(asm.FnMapUpdateElem), out())
	leave = slices.Concat(key, on(asm.FnMapLookupElem), asm.Instructions{
		asm.JEq.Imm(asm.R0, 0, outLabel),
		asm.LoadMem(asm.R7, asm.R0, 0, asm.DWord), asm.FnKtimeGetNs.Call(), asm.Mov.Reg(asm.R6, asm.R0), asm.Sub.Reg(asm.R6, asm.R7),
	}, on(asm.FnMapDeleteElem), m.addUp())
	return entry, leave, nil
}

// inSession notes it in the cookie that the kernel keeps for the call, wherever it
// returns.
func inSession(m *pairMaps) (both, none asm.Instructions, err error) {
	isReturn, err := kernelFunction("bpf_session_is_return")
	if err != nil {
		return nil, nil, err
	}
	cookie, err := kernelFunction("bpf_session_cookie")
	if err != nil {
		return nil, nil, err
	}
	const returns = "returns"
	atReturn := slices.Concat(cookie, sinceR0(), m.addUp())
	atReturn[0] = atReturn[0].WithSymbol(returns)
	keep := asm.Instructions{}
	if len(cookie) > 1 {
		keep = asm.Instructions{asm.Mov.Reg(contextRegister, asm.R1)}
	}
	return slices.Concat(
		keep, now(asm.R6),
		isReturn, asm.Instructions{asm.JNE.Imm(asm.R0, 0, returns)},
		cookie, asm.Instructions{asm.Mov.Reg(asm.R6, asm.R0)},
		asm.Instructions{asm.FnKtimeGetNs.Call(), asm.StoreMem(asm.R6, 0, asm.R0, asm.DWord), asm.Mov.Imm(asm.R0, 0), asm.Return()},
		atReturn), nil, nil
}

// contextRegister keeps the context for functions that take it.
const contextRegister = asm.R7

// kernelFunction is a call of a function that the kernel offers to programs, which
// takes the context since Linux 7.0, and nothing before.
func kernelFunction(name string) (asm.Instructions, error) {
	kernel, err := types.Kernel()
	if err != nil {
		return nil, unsupported("%v", err)
	}
	var f *btf.Func
	if err := kernel.TypeByName(name, &f); err != nil {
		return nil, unsupported("this kernel has no sessions of kprobes, which are in Linux 6.10 and later")
	}
	id, err := kernel.TypeID(f)
	call := asm.Instruction{OpCode: asm.OpCode(asm.JumpClass).SetJumpOp(asm.Call), Src: asm.PseudoKfuncCall, Constant: int64(id)}
	if proto, ok := f.Type.(*btf.FuncProto); ok && len(proto.Params) > 0 {
		return asm.Instructions{asm.Mov.Reg(asm.R1, contextRegister), call}, err
	}
	return asm.Instructions{call}, err
}

// typedName is the name that a function has in the kernel's BTF, or that of a
// module: system calls that take nothing are there under another one.
func typedName(f Function) (string, error) {
	call, ok := f.systemCall()
	if !ok {
		return f.Symbol, nil
	}
	kernel, err := types.Kernel()
	if errors.Is(err, btf.ErrNotSupported) || errors.Is(err, btf.ErrNotFound) {
		return "", unsupported("the kernel has no BTF")
	}
	if err != nil {
		return "", fmt.Errorf("read the kernel's BTF: %w", err)
	}
	callable, err := traced()
	if err != nil {
		return "", err
	}
	var t *btf.Func
	for _, name := range []string{f.Symbol, "__do_sys_" + call} {
		same := name == f.Symbol || callable[name] && !callable[f.Symbol]
		if err := kernel.TypeByName(name, &t); err == nil && same {
			return name, nil
		}
	}
	return "", unsupported("the kernel's BTF has no %s", f.Symbol)
}

var bpfFacts = Facts{Kind: BPF, Durations: true, Filter: true, Stacks: true, Histogram: true, Each: true, NoModule: true, Lockdown: true}

func bpfPeers() []Peer {
	const docs = "Documentation/bpf/"
	hash := bpfFacts.named("bpf-kprobe-hash", "tools/funclatency.py of bcc, "+docs+"map_hash.rst", "one call at a time of each thread")
	hash.AnyKernel = true
	return []Peer{
		&bpfPeer{
			facts: bpfFacts.named("bpf-fentry-task", docs+"libbpf/program_types.rst, BPF_MAP_TYPE_TASK_STORAGE", "needs BTF of the function; one call at a time of each task"),
			where: inTask, attach: atTrampolines, perFunction: true,
		},
		&bpfPeer{
			facts: bpfFacts.named("bpf-fentry-percpu", docs+"map_array.rst", "needs BTF of the function; one call at a time of each processor"),
			where: inProcessor, attach: atTrampolines, perFunction: true,
		},
		&bpfPeer{facts: hash, where: inHash, attach: atKprobes},
		&bpfPeer{
			facts: bpfFacts.named("bpf-multi-hash", docs+"libbpf/program_types.rst, kprobe.multi", "one call at a time of each thread"),
			where: inHash, attach: atMulti,
		},
		&bpfPeer{
			facts: bpfFacts.named("bpf-multi-session", docs+"libbpf/program_types.rst, kprobe.session", "needs Linux 6.10"),
			where: inSession, attach: atSession,
		},
	}
}
