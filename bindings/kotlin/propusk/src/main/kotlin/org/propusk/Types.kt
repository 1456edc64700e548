// The plain types of the SDK, under the names of this package. They are generated and contain no secrets.
package org.propusk

public typealias AccountEvent = org.propusk.ffi.AccountEvent
public typealias AccountEvents = org.propusk.ffi.AccountEvents
public typealias Adoption = org.propusk.ffi.Adoption
public typealias Dialect = org.propusk.ffi.Dialect
public typealias FieldProblem = org.propusk.ffi.FieldProblem
public typealias Identity = org.propusk.ffi.Identity
public typealias LinkProblem = org.propusk.ffi.LinkProblem
public typealias Operation = org.propusk.ffi.ApiOperation
public typealias Profile = org.propusk.ffi.Profile
public typealias Provider = org.propusk.ffi.Provider
public typealias Registered = org.propusk.ffi.Registered
public typealias Registration = org.propusk.ffi.Registration
public typealias Rejection = org.propusk.ffi.Rejection
public typealias Session = org.propusk.ffi.Session
public typealias SignOut = org.propusk.ffi.SignOut
public typealias SignOutReason = org.propusk.ffi.SignOutReason
public typealias SignedInUser = org.propusk.ffi.SignedInUser
public typealias StatusChange = org.propusk.ffi.StatusChange
public typealias VaultState = org.propusk.ffi.VaultState
